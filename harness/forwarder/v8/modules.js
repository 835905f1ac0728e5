// What each component type does: Core's data elements and conditions, custom code, Mixpanel's event.

const arrayPart = /[[0-9]+]/;

/** The value at a path; the name of the parameter is the one that the engine's own message speaks of. */
function walk(container, sourcePath) {
  let here = container;
  sourcePath.split('.').forEach((part) => {
    if (!here) {
      return;
    }
    if (!part.match(arrayPart)) {
      here = here[part];
      return;
    }
    const name = part.substring(0, part.indexOf('['));
    const index = part.match(/\[([0-9]+)]$/);
    if (here[name]) {
      here = here[name][index && index[1]];
    }
  });
  return here || null;
}

function readSecret({ utils: { getBuildInfo, getSettings, getComponent, getEnv } }) {
  const { environment } = getBuildInfo();
  const { secrets = {} } = getSettings();
  const element = getComponent().name;
  const values = getEnv();
  if (!secrets[environment]) {
    throw new Error(
      `The data element "${element}" does not have a secret configured for the "${environment}" environment.`,
    );
  }
  const { id, name } = secrets[environment];
  if (!values[id]) {
    throw new Error(
      `Could not find the secret "${name}" on the "${environment}" environment. ` +
        `The secret "${name}" is configured inside the data element "${element}".`,
    );
  }
  return values[id];
}

const isText = (value) => typeof value === 'string' || value instanceof String;
const isFiniteNumber = (value) => typeof value === 'number' && isFinite(value);
const folded = (value, ignoreCase) => (ignoreCase && isText(value) ? value.toLowerCase() : value);

/** A comparison of texts: numbers count as their text, any other operand makes it false. */
const ofTexts = (compare) => (left, right, ignoreCase) => {
  const [one, other] = [left, right].map((value) => (isFiniteNumber(value) ? String(value) : value));
  return isText(one) && isText(other) && compare(one, other, ignoreCase);
};
const ofFolded = (compare) =>
  ofTexts((left, right, ignoreCase) => compare(folded(left, ignoreCase), folded(right, ignoreCase)));

/** A comparison of finite numbers: texts count as their number, any other operand makes it false. */
const ofNumbers = (compare) => (left, right) => {
  const [one, other] = [left, right].map((value) => (isText(value) ? Number(value) : value));
  return isFiniteNumber(one) && isFiniteNumber(other) && compare(one, other);
};

const positive = {
  equals: [(left, right, ignoreCase) => folded(left, ignoreCase) == folded(right, ignoreCase), 'doesNotEqual'],
  contains: [ofFolded((left, right) => left.indexOf(right) !== -1), 'doesNotContain'],
  startsWith: [ofFolded((left, right) => left.indexOf(right) === 0), 'doesNotStartWith'],
  endsWith: [ofFolded((left, right) => left.substring(left.length - right.length) === right), 'doesNotEndWith'],
  matchesRegex: [
    ofTexts((left, right, ignoreCase) => new RegExp(right, ignoreCase ? 'i' : '').test(left)),
    'doesNotMatchRegex',
  ],
};
const operators = {
  lessThan: ofNumbers((left, right) => left < right),
  lessThanOrEqual: ofNumbers((left, right) => left <= right),
  greaterThan: ofNumbers((left, right) => left > right),
  greaterThanOrEqual: ofNumbers((left, right) => left >= right),
  isTrue: (left) => left === true,
  isTruthy: (left) => Boolean(left),
  isFalse: (left) => left === false,
  isFalsy: (left) => !left,
};
for (const [name, [compare, opposite]] of Object.entries(positive)) {
  operators[name] = compare;
  operators[opposite] = (...operands) => !compare(...operands);
}

function compareValues({ utils }) {
  const settings = utils.getSettings();
  // The names are those that the engine's own message speaks of.
  const conditions = operators;
  return conditions[settings.comparison.operator](
    settings.leftOperand,
    settings.rightOperand,
    Boolean(settings.comparison.caseInsensitive),
  );
}

function runCode({ arc, utils }) {
  const settings = utils.getSettings();
  return settings.source(arc, utils);
}

/** Runs code and keeps its result beside those of earlier actions. */
function runCodeAndKeep({ arc, utils }) {
  const stash = arc.ruleStash || {};
  const core = stash.core || {};
  core.customCode = core.customCode || {};
  const settings = utils.getSettings();
  return Promise.resolve(settings.source(arc, utils)).then((result) => {
    core.customCode[settings.keyName] = result;
    return core;
  });
}

function sendEvent({ utils: { fetch, getSettings } }) {
  const body = { ...getSettings() };
  if (body.custom_properties) {
    body.properties = { ...body.properties, ...body.custom_properties };
    delete body.custom_properties;
  }
  return fetch('https://api.mixpanel.com/track', {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/plain' },
    body: JSON.stringify([body]),
  });
}

const core = (displayName, script) => ({ extensionName: 'core', displayName, script });
const modules = {
  'core::dataElements::path': core('Path', ({ arc, utils }) => walk({ arc }, utils.getSettings().path)),
  'core::dataElements::ip': core('IP', ({ arc }) => {
    const place = arc?.event?.xdm?.environment;
    return place?.ipV4 || place?.ipV6;
  }),
  'core::dataElements::secret': core('Secret', readSecret),
  'core::dataElements::custom-code': core('Custom Code', runCode),
  'core::conditions::value-comparison': core('Value Comparison', compareValues),
  'core::conditions::custom-code': core('Custom Code', runCode),
  'core::actions::custom-code': core('Custom Code', runCodeAndKeep),
  'mixpanel-connector-edge::actions::send-event': {
    extensionName: 'mixpanel-connector-edge', displayName: 'Send Event', script: sendEvent,
  },
};
/** The names of the parts are those that the engine's own messages speak of. */
const moduleProvider = { getModuleDefinition: (modulePath) => modules[modulePath] };
const extensions = { core: { displayName: 'Core' }, 'mixpanel-connector-edge': { displayName: 'Mixpanel' } };

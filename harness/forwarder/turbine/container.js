'use strict';
// A property, as the harness has read it, becomes the source of an edge container; Adobe's own build steps, `sanitize`
// and the token plugin for Babel, make it what the rules engine takes.

const { createRequire } = require('node:module');
const path = require('node:path');
const vm = require('node:vm');
const sendEvent = require('./send_event.js');

const CODE = 'custom-code';
const SEND_EVENT = 'mixpanel-connector-edge::actions::send-event';
const CORE_MODULES = {
  'core::dataElements::path': ['Path', 'dataElements/path'],
  'core::dataElements::ip': ['IP', 'dataElements/ip'],
  'core::dataElements::secret': ['Secret', 'dataElements/secret'],
  'core::dataElements::custom-code': ['Custom Code', 'dataElements/customCode'],
  'core::conditions::value-comparison': ['Value Comparison', 'conditions/valueComparison'],
  'core::conditions::custom-code': ['Custom Code', 'conditions/customCode'],
  'core::actions::custom-code': ['Custom Code', 'actions/customCode'],
};
const EXTENSIONS = { core: { displayName: 'Core' }, 'mixpanel-connector-edge': { displayName: 'Mixpanel' } };

/** A module that gets what the edge gives to custom code and the published engine does not: `utils.mtlsFetch`. */
const withMtlsFetch = (script) => ({ utils, ...others }) => {
  const { getRule, getBuildInfo, logger, fetch, ...more } = utils;
  return script({ ...others, utils: { getRule, getBuildInfo, logger, fetch, mtlsFetch: fetch, ...more } });
};

/** Adobe's packages, loaded from the `node_modules` folder that holds them. */
function loadPackages(nodeModules) {
  const load = createRequire(path.join(nodeModules, 'any.js'));
  const modules = {
    [SEND_EVENT]: { extensionName: 'mixpanel-connector-edge', displayName: 'Send Event', script: sendEvent },
  };
  for (const [id, [displayName, file]] of Object.entries(CORE_MODULES)) {
    const script = load(`@adobe/reactor-extension-core-edge/src/lib/${file}.js`);
    modules[id] = { extensionName: 'core', displayName, script: id.endsWith(CODE) ? withMtlsFetch(script) : script };
  }
  return {
    babel: load('@babel/core'),
    tokenPlugin: load('@adobe/reactor-babel-plugin-replace-tokens-edge/src/index.js'),
    sanitize: load('@adobe/reactor-token-scripts-edge/src/sanitize.js'),
    engine: load('@adobe/reactor-turbine-edge/src/index.js'),
    modules,
  };
}

/** An object literal of which the values are source already. */
const objectSource = (parts) =>
  `{${Object.entries(parts).map(([key, value]) => `${JSON.stringify(key)}: ${value}`).join(', ')}}`;

const written = (values) =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key, JSON.stringify(value)]));

function settingsSource({ type, settings }) {
  if (type !== CODE) {
    return JSON.stringify(settings);
  }
  const { source, language, ...others } = settings;
  return objectSource({ ...written(others), source: `(arc, utils) => {\n${source}\n}` });
}

function componentSource(kind, component) {
  const { type, settings, id, name, ...others } = component;
  const modulePath = type === 'send-event' ? SEND_EVENT : `core::${kind}::${type}`;
  const parts = written({ modulePath, name, ...others });
  if (id !== null) {
    parts.id = JSON.stringify(id);
  }
  if (settings !== null) {
    parts.settings = settingsSource(component);
  }
  return objectSource(parts);
}

function ruleSource({ id, name, conditions, actions }) {
  return objectSource({
    ...written({ id, name }),
    conditions: `[${conditions.map((condition) => componentSource('conditions', condition))}]`,
    actions: `[${actions.map((action) => componentSource('actions', action))}]`,
  });
}

function containerSource({ environment, dataElements, rules }) {
  const elements = dataElements.map(
    (element) => `${JSON.stringify(element.name)}: ${componentSource('dataElements', element)}`,
  );
  return `(getDataElementValues) => ({
    buildInfo: ${JSON.stringify({ environment })},
    dataElements: {${elements}},
    rules: [${rules.map(ruleSource)}]
  })`;
}

/** The function that makes the container of a property; throws what Adobe's build throws. */
function buildContainer(packages, property) {
  const source = packages.sanitize(containerSource(property));
  const { code } = packages.babel.transformSync(source, {
    plugins: [packages.tokenPlugin], configFile: false, babelrc: false, compact: false, sourceType: 'script',
  });
  const factory = vm.runInThisContext(`(${code.replace(/;\s*$/, '')})`);
  return (getDataElementValues) => ({
    ...factory(getDataElementValues), modules: packages.modules, extensions: EXTENSIONS,
  });
}

module.exports = { buildContainer, loadPackages };

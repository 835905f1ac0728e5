// How Adobe's build makes code of the settings of a component. The text comes with its tokens already written as
// calls; it is read as JavaScript, every string is split at the calls that stand in it, and every call in the code
// gets its name decoded.

const TOKEN = /getDataElementValue\((?:\\*(?:"|'))?(.*?)(?:\\*(?:"|'))?\)/;
const SKIPPED_KEYS = new Set(['type', 'start', 'end', 'raw', 'regex', 'bigint', 'directive', 'value']);

class BuildProblem extends Error {}

/** The name that hex digits stand for. */
function decoded(token) {
  if (typeof token !== 'string') {
    throw new BuildProblem('getDataElementValue needs a name or a text between its brackets');
  }
  const match = /^reactor(.*)$/.exec(token);
  if (match === null) {
    return token;
  }
  return (match[1].match(/.{1,4}/g) ?? []).map((digits) => String.fromCharCode(parseInt(digits, 16))).join('');
}

/** A text as a string literal of the build: line breaks become continuations, so they vanish. */
const quoted = (text) => `"${text.replace(/(["\r\n\t\\])/g, '\\$1')}"`;

const plainly = ({ message }) => message.replace(/ \(\d+:\d+\)$/, '');

/** What is wrong, with its place in the source, which begins on the second line. */
const inSource = (error) =>
  error.loc === undefined ? error.message : `${plainly(error)} at line ${error.loc.line - 1} column ${error.loc.column + 1}`;

function parsed(text, makeSense) {
  const options = { ecmaVersion: 'latest', sourceType: 'script', allowHashBang: false };
  try {
    return acorn.parse(text, options);
  } catch (error) {
    throw new BuildProblem(makeSense(error));
  }
}

/** Every node below one, in the order of the text, with the way to it. */
function* nodesOf(node, parents = []) {
  yield [node, parents];
  const inner = [];
  for (const key of Object.keys(node)) {
    if (!SKIPPED_KEYS.has(key) || (key === 'value' && typeof node[key]?.type === 'string')) {
      inner.push(...[node[key]].flat().filter((item) => typeof item?.type === 'string'));
    }
  }
  inner.sort((one, other) => one.start - other.start);
  for (const item of inner) {
    yield* nodesOf(item, [...parents, node]);
  }
}

const isString = (node) => node.type === 'Literal' && typeof node.value === 'string';
const isDirective = (parents) => parents.at(-1)?.directive !== undefined;
const isTokenCall = (node) =>
  node.type === 'CallExpression' && !node.optional && node.callee.type === 'Identifier' &&
  node.callee.name === 'getDataElementValue';

/** What stands in the brackets of a call: a name, or a text; anything else can't be built. */
function argumentOf(call) {
  const [node] = call.arguments;
  if (node?.type === 'Identifier') {
    return node.name;
  }
  return node?.type === 'Literal' && !node.regex ? (node.bigint ?? node.value) : undefined;
}

/** Whether a value comes out as JSON when names in it become texts and objects in it become empty texts. */
function isPlainData(node, isOutermost) {
  switch (node.type) {
    case 'Literal':
      return isJson(node.raw) && !(isOutermost && node.raw === 'null');
    case 'Identifier':
      return !isOutermost;
    case 'ArrayExpression':
      return node.elements.every((item) => item !== null && isPlainData(item, false));
    case 'ObjectExpression':
      return !isOutermost || node.properties.every(({ kind, method, computed, key, value }) =>
        kind === 'init' && !method && !computed && (key.type === 'Identifier' || isString(key)) &&
        isPlainData(key, false) && isPlainData(value, false));
    case 'UnaryExpression':
      return node.operator === '-' && typeof node.argument.value === 'number' && isJson(node.argument.raw);
    default:
      return false;
  }
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The build takes any `dataElements: ...` in code for those of the property, and reads them as JSON. */
function refuseDataElements(tree) {
  for (const [node] of nodesOf(tree)) {
    if (node.type === 'Property' && node.kind === 'init' && !node.method &&
        (node.key.name ?? node.key.value) === 'dataElements' && !isPlainData(node.value, true)) {
      throw new BuildProblem('the build reads the property `dataElements` of any object as JSON; this one is none');
    }
  }
}

/** The names of the data elements that code asks for, each once. */
function tokensOf(tree) {
  const found = new Set();
  for (const [node, parents] of nodesOf(tree)) {
    if (isString(node) && !isDirective(parents)) {
      for (const [, token] of node.value.matchAll(new RegExp(TOKEN, 'g'))) {
        found.add(decoded(token));
      }
    } else if (isTokenCall(node)) {
      found.add(decoded(argumentOf(node)));
    }
  }
  return [...found];
}

/** A string split at its calls: one literal, one call, or a sum. */
function splitString(text) {
  const pieces = [];
  let rest = text;
  let match = TOKEN.exec(rest);
  while (match !== null) {
    if (match.index > 0) {
      pieces.push(quoted(rest.slice(0, match.index)));
    }
    pieces.push(`getDataElementValue(${quoted(decoded(match[1]))})`);
    rest = rest.slice(match.index + match[0].length);
    match = TOKEN.exec(rest);
  }
  if (rest !== '') {
    pieces.push(quoted(rest));
  }
  return pieces;
}

/** The text for a string literal; null to leave it alone. */
function stringReplacement(node, parents) {
  const pieces = splitString(node.value);
  if (pieces.length === 0) {
    return null;
  }
  const parent = parents.at(-1);
  if (parent !== undefined && parent.key === node && !parent.computed && TOKEN.test(node.value)) {
    throw new BuildProblem('a token stands in the key of an object; only values can hold tokens');
  }
  if (pieces.length === 1) {
    return pieces[0];
  }
  const isFirst = parents.some((outer, index) =>
    outer.type === 'ExpressionStatement' && outer.start === node.start && Array.isArray(parents[index - 1]?.body));
  return `${isFirst ? ';' : ''}(${pieces.join('+')})`;
}

function replaced(text, changes) {
  let result = '';
  let end = 0;
  for (const [from, to, by] of changes) {
    result += text.slice(end, from) + by;
    end = to;
  }
  return result + text.slice(end);
}

/** Code with its tokens put in place. */
function withTokens(text, tree) {
  const changes = [];
  let end = 0;
  for (const [node, parents] of nodesOf(tree)) {
    if (node.start < end) {
      continue;
    }
    let by = null;
    if (isTokenCall(node)) {
      const name = argumentOf(node);
      const isPlain = isString(node.arguments[0]) && !name.startsWith('reactor');
      by = isPlain ? null : `getDataElementValue(${splitString(decoded(name)).join('+') || '""'})`;
    } else if (isString(node) && !isDirective(parents)) {
      by = stringReplacement(node, parents);
    }
    if (by !== null) {
      changes.push([node.start, node.end, by]);
      end = node.end;
    }
  }
  return replaced(text, changes);
}

const keyOf = ({ key }) => {
  if (key === undefined) {
    throw new BuildProblem('an object with settings can hold no `...`; this is a limit of the build');
  }
  return key.name ?? key.value;
};

/** Objects in code that look like components (settings beside modulePath or displayName) are built like components. */
function withInnerSettings(text) {
  const tree = parsed(text, (error) => `with its tokens put in place: ${plainly(error)}`);
  const changes = [];
  let end = 0;
  for (const [node, parents] of nodesOf(tree)) {
    const siblings = parents.at(-1)?.properties;
    const isInit = node.type === 'Property' && node.kind === 'init' && !node.method;
    if (node.start < end || !isInit || siblings === undefined || keyOf(node) !== 'settings') {
      continue;
    }
    const names = siblings.map(keyOf);
    if (names.includes('modulePath') || names.includes('displayName')) {
      const settings = text.slice(node.value.start, node.value.end);
      changes.push([node.start, node.end, `"getSettings": context => ${built(settings)}`]);
      end = node.end;
    }
  }
  return changes.length === 0 ? text : replaced(text, changes);
}

/** The expression that gives the settings, for a text of an expression. */
function built(settings) {
  const tree = parsed(`(${settings}\n)`, plainly);
  refuseDataElements(tree);
  const names = tokensOf(tree);
  const list = names.length > 0 ? `'${names.join("','")}'` : '';
  const text = `getDataElementValues([${list}], context).then(getDataElementValue => (${settings}\n))`;
  const whole = parsed(text, () => `the name of a data element breaks the code: ${list}`);
  return withInnerSettings(names.length > 0 ? withTokens(text, whole) : text);
}

/** What `getSettings` of a component is, as code; `{"problem": ...}` when it can't be built. */
function buildSettings(settings) {
  try {
    const [statement, ...others] = parsed(`(${settings}\n)`, inSource).body;
    if (others.length > 0 || statement?.expression?.type !== 'ObjectExpression' || statement.expression.start !== 1 ||
        statement.expression.end !== settings.length + 1) {
      throw new BuildProblem('its braces close more than they open');
    }
    const code = `context => ${built(settings)}`;
    realEval(`(${code})`);
    return { code };
  } catch (error) {
    if (error instanceof BuildProblem || error instanceof SyntaxError) {
      return { problem: error.message };
    }
    return { problem: `it is nested too deeply: ${error.message}` };
  }
}
return { build: (texts) => JSON.stringify(JSON.parse(texts).map(buildSettings)) };

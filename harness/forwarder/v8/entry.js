// What the worker calls: `load` a property, `start` a rule, `pump` until it is done. The end of a run also tells
// whether it left everything as it was, so that the next one can follow in the same V8.

const state = { elements: {}, reason: null, result: null };
const containers = new Map();
const { parse: parseJson, stringify: writeJson } = JSON;
const { isArray } = Array;
const { ownKeys } = Reflect;

/** Plain data as JSON, whatever code has done to the built-in objects: only texts are left to `JSON.stringify`. */
function plainJson(value) {
  if (typeof value !== 'object' || value === null) {
    return value === undefined ? 'null' : writeJson(value);
  }
  let result = '';
  if (isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      result += (result && ',') + plainJson(value[index]);
    }
    return `[${result}]`;
  }
  const keys = ownKeys(value);
  for (let index = 0; index < keys.length; index += 1) {
    result += `${result && ','}${writeJson(keys[index])}:${plainJson(value[keys[index]])}`;
  }
  return `{${result}}`;
}
const isClean = newGuard();

const calls = {
  /** Takes in a property: the text of a function that makes its container. */
  load(key, factory) {
    containers.set(key, (0, realEval)(factory));
  },

  /** Starts a rule of a property on a call; nothing of an earlier run is left. */
  start(text) {
    const { key, rule, arc, env, environment, now, seed } = parseJson(text);
    loop.reset(now);
    random.reset(seed);
    state.reason = null;
    state.result = null;
    const container = containers.get(key)(elementValues);
    state.elements = container.dataElements;
    const context = {
      rule: container.rules[rule], buildInfo: { environment }, arc: { ruleStash: {}, ...parseJson(arc) }, env,
    };
    startRule(context, (result) => {
      state.result = result;
    });
  },

  /** Takes answers in, or does the next thing; tells what it was as JSON. */
  pump(answers) {
    if (answers !== undefined) {
      parseJson(answers).forEach((answer) => loop.answer(answer));
      return '{"again":true}';
    }
    const next = loop.pump(() => state.result !== null);
    if (!next.done) {
      return plainJson(next);
    }
    const { result } = state;
    loop.reset(null);
    state.result = null;
    return plainJson({ done: true, result, clean: isClean() });
  },

  /** The memory in which a run shows what it is at; it can be read while code runs. */
  board() {
    return board.memory;
  },
};
return Object.freeze(calls);

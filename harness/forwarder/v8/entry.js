// What the worker calls: `load` a property, `start` a rule, `pump` until it is done, `clean` before the next one.

const state = { elements: {}, at: null, reason: null, result: null };
const containers = new Map();
const parseJson = JSON.parse;
const writeJson = JSON.stringify;
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
    return writeJson(next.done ? { done: true, result: state.result } : next);
  },

  /** Where a run that was stopped has got to. */
  place() {
    return writeJson({ name: state.at?.name, displayName: state.at?.displayName });
  },

  /** Whether the next run finds everything as the first one did. */
  clean() {
    loop.reset(null);
    state.result = null;
    state.at = null;
    return isClean();
  },
};
return Object.freeze(calls);

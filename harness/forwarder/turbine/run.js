'use strict';
// One call through the rules of a container. Rules go one after another, so that the destination sees their requests in
// the order of the property; the engine itself runs them side by side, and none can see another.

const clock = require('./clock.js');

const FAILURE = 'Failed to execute "';
const WITHOUT_BODY = [101, 204, 205, 304];
const { Request, Response, URL } = globalThis;

/** What the engine takes for `fetch`; `ask` sends a request out and gives its answer. */
const newFetch = (ask) => async (resource, init = {}) => {
  const data = requestData(resource, init);
  const signal = init.signal ?? (resource instanceof Request ? resource.signal : null);
  signal?.throwIfAborted();
  if (typeof data.body !== 'string') {
    data.body = await data.body;
  }
  const { status, body } = await untilAborted(settled(ask(data)), signal);
  return new Response(body === '' || WITHOUT_BODY.includes(status) ? null : body, { status });
};

/** A promise of an answer that takes its time. */
function settled({ delay, error, status, body }) {
  return new Promise((resolve, reject) => {
    const settle = () => (error === undefined ? resolve({ status, body }) : reject(new Error(error)));
    if (delay) {
      clock.schedule(delay, settle);
    } else {
      settle();
    }
  });
}

/** A request as data: the address as it was written, headers and body as `init` or a Request gives them. */
function requestData(resource, init) {
  const from = resource instanceof Request ? resource : null;
  if (from === null) {
    checkUrl(resource);
  }
  const method = String(init.method ?? from?.method ?? 'GET');
  const entries = init.headers instanceof Headers ? [...init.headers] : Object.entries(init.headers ?? {});
  return {
    url: from === null ? String(resource) : from.url,
    method: /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method,
    headers: Object.fromEntries(entries.map(([name, value]) => [name, String(value)])),
    body: bodyText(init.body, from),
  };
}

function bodyText(body, from) {
  if (body === undefined || body === null) {
    return from === null ? '' : from.clone().text();
  }
  if (typeof body === 'object' && !(body instanceof URLSearchParams)) {
    return new Response(body).text();
  }
  return String(body);
}

function checkUrl(resource) {
  try {
    new URL(resource);
  } catch (error) {
    throw new TypeError(`Failed to parse URL from ${resource}`, { cause: error });
  }
}

function untilAborted(promise, signal) {
  if (!signal) {
    return promise;
  }
  return Promise.race([promise, new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  })]);
}

/** What the engine says about the end of a rule: the last failure it logged, without the stack behind it. */
function reasonOf(logs) {
  const texts = logs.map(({ messages }) => String(messages[1])).filter((text) => text.startsWith(FAILURE));
  return texts.length === 0 ? '' : withoutStack(texts[texts.length - 1]);
}

function withoutStack(text) {
  const gaps = [...text.matchAll(/ \n /g)].map((match) => match.index);
  const isEnd = (gap) => {
    const [first] = text.slice(gap + 3).split('\n    at ');
    const colon = first.indexOf(': ');
    return text.slice(0, gap).endsWith(colon < 0 ? '' : first.slice(colon + 2));
  };
  const end = gaps.find(isEnd) ?? gaps[0];
  return end === undefined ? text : text.slice(0, end);
}

/** Runs one rule until it has ended. What it left undone is dropped with its time. */
async function runRule(engine, build, position, call, ask) {
  clock.reset(call.now);
  let result = null;
  const container = (getDataElementValues) => {
    const whole = build(getDataElementValues);
    return { ...whole, rules: [whole.rules[position]] };
  };
  const fetch = newFetch((request) => (result === null ? ask(position, request) : {}));
  globalThis.fetch = fetch;
  engine.initialize(container, { fetch })(call.arc, call.env).then(([first]) => { result = first; });
  await clock.turn();
  while (result === null) {
    await clock.quiet();
    if (result === null) {
      clock.fireNext();
      await clock.turn();
    }
  }
  clock.reset(null);
  return { status: result.status, error: result.status === 'success' ? null : reasonOf(result.logs) };
}

/** Removes variables that code made by forgetting to declare them. */
function sweeper(target) {
  const known = new Set(Reflect.ownKeys(target));
  return () => Reflect.ownKeys(target).filter((key) => !known.has(key)).forEach((key) => delete target[key]);
}

/** Runs all rules of a container on a call, and gives what became of each. */
async function runCall(engine, build, count, call, ask, sweep) {
  const results = [];
  for (let position = 0; position < count; position += 1) {
    results.push(await runRule(engine, build, position, call, ask));
    sweep();
  }
  return results;
}

module.exports = { runCall, sweeper };

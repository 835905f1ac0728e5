'use strict';
// Adobe's rules engine behind a pipe, one JSON document a line. A message is one of
//
//   {"load": key, "property": {...}}   -> {"loaded": key} or {"problem": what Adobe's build says}
//   {"call": {...}, "key": key}        -> {"rule": position, "fetch": request} any number of times, each answered by
//                                         {"answer": {...}}; then {"results": [{"status", "error"}, ...]}

const offline = require('./offline.js');
const { watch } = require('./orphan.js');

watch();
offline.close();

const { buildContainer, loadPackages } = require('./container.js');
const { receive, send } = require('./lines.js');
const { runCall, sweeper } = require('./run.js');
const clock = require('./clock.js');

const { process } = globalThis;
const packages = loadPackages(process.argv[2]);
const properties = new Map();

// A token that throws leaves the rejections of its neighbours to nobody; the edge does not mind either.
process.on('unhandledRejection', () => {});
process.on('uncaughtException', () => {});

clock.install(globalThis);
offline.hide(globalThis);
globalThis.fetch = null; // every rule gets its own
const sweep = sweeper(globalThis);

/** Builds a property. Babel asks for `process`, so it is there for as long as that takes. */
function load(key, property) {
  globalThis.process = process;
  try {
    properties.set(key, { build: buildContainer(packages, property), count: property.rules.length });
    return { loaded: key };
  } catch (error) {
    return { problem: String(error.message).split('\n')[0] };
  } finally {
    delete globalThis.process;
  }
}

function ask(rule, request) {
  send({ rule, fetch: request });
  return receive().answer;
}

async function serve() {
  send({ ready: true });
  for (;;) {
    const message = receive();
    if (message.load !== undefined) {
      send(load(message.load, message.property));
    } else {
      const { build, count } = properties.get(message.key);
      send({ results: await runCall(packages.engine, build, count, message.call, ask, sweep) });
    }
  }
}

serve();

'use strict';
// Calls a second of Adobe's engine by itself: no pipe, no virtual time, a destination that answers at once.
// Arguments: the folder with container.js, the node_modules folder, the property and the call as JSON, how many calls.

const [scripts, nodeModules, property, call, count] = process.argv.slice(2);
const { buildContainer, loadPackages } = require(`${scripts}/container.js`);

async function main() {
  const packages = loadPackages(nodeModules);
  const container = buildContainer(packages, JSON.parse(property));
  const run = packages.engine.initialize(container, { fetch: async () => new Response('1') });
  const seconds = [];
  for (let round = 0; round < 4; round += 1) {
    const start = process.hrtime.bigint();
    for (let index = 0; index < Number(count); index += 1) {
      const [result] = await run(JSON.parse(call), {});
      if (result.status !== 'success') {
        throw new Error(result.status);
      }
    }
    seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
  }
  process.stdout.write(JSON.stringify(Math.min(...seconds)));
  // Its timers would keep the process for the 30 seconds that a component may take.
  process.exit();
}

main();

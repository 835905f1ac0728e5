'use strict';
// A thread that ends the process when the one that started it is gone. The main thread can't be left with this: where
// Adobe's engine goes round for ever, it never looks at its input again.

const { Worker, isMainThread, workerData } = require('node:worker_threads');

const MILLISECONDS = 1000;

if (isMainThread) {
  module.exports = { watch: () => new Worker(__filename, { workerData: process.ppid, stdin: false }).unref() };
} else {
  setInterval(() => {
    try {
      process.kill(workerData, 0);
      if (process.ppid === workerData) {
        return;
      }
    } catch (error) {
      if (error.code === 'EPERM') {
        return;
      }
    }
    process.kill(process.pid, 'SIGKILL');
  }, MILLISECONDS);
}

'use strict';
// JSON documents over the pipes of this process, one a line. Reading and writing wait, so that an answer is there in the
// turn in which it was asked for: the engine sees a destination that answers at once, or after a delay of virtual time.

const fs = require('node:fs');

const INPUT = 0;
const OUTPUT = 1;
const NEWLINE = 10;
const { parse, stringify } = JSON;
const { exit } = process;

let rest = Buffer.alloc(0);

/** The next document; when the other side has closed the pipe, the process ends. */
function receive() {
  const parts = [rest];
  let end = rest.indexOf(NEWLINE);
  while (end < 0) {
    const chunk = Buffer.allocUnsafe(65536);
    const size = fs.readSync(INPUT, chunk);
    if (size === 0) {
      exit(0);
    }
    parts.push(chunk.subarray(0, size));
    end = chunk.subarray(0, size).indexOf(NEWLINE);
  }
  const last = parts.pop();
  rest = last.subarray(end + 1);
  return parse(Buffer.concat([...parts, last.subarray(0, end)]).toString('utf8'));
}

function send(message) {
  const bytes = Buffer.from(`${stringify(message)}\n`);
  let done = 0;
  while (done < bytes.length) {
    done += fs.writeSync(OUTPUT, bytes, done);
  }
}

module.exports = { receive, send };

'use strict';
// Virtual time: timers go off when nothing else is left to do, in their order, and nobody waits for them.

const { webcrypto } = require('node:crypto');

const LONGEST = 2 ** 31 - 1;
const realTurn = setImmediate;
const realTimeout = setTimeout;
const THREAD_MILLISECONDS = 50;
const RealDate = Date;
const realNow = Date.now;

let elapsed = 0;
let start = null;
let sequence = 0;
let timers = [];
let handles = new Map();
let busy = 0;
let usesThreads = false;

/** Begins a new time. `now` is when, in milliseconds since 1970; null for the clock on the wall. */
function reset(now) {
  elapsed = 0;
  start = now;
  timers = [];
  handles = new Map();
  usesThreads = false;
}

const clock = () => Math.floor((start === null ? realNow() : start) + elapsed);
const isLater = (one, other) => one.due > other.due || (one.due === other.due && one.number > other.number);

/** Puts an action in its place; a delay that is no sensible number counts as 1, as in Node. */
function schedule(delay, action) {
  const wait = delay >= 1 && delay <= LONGEST ? Math.trunc(delay) : 1;
  sequence += 1;
  const timer = { due: elapsed + wait, number: sequence, action };
  let place = timers.length;
  while (place > 0 && isLater(timers[place - 1], timer)) {
    place -= 1;
  }
  timers.splice(place, 0, timer);
  return timer;
}

/** Lets the next timer go off; false when there is none. */
function fireNext() {
  const timer = timers.shift();
  if (timer === undefined) {
    return false;
  }
  elapsed = timer.due;
  try {
    timer.action();
  } catch {
    // What a timer throws reaches nobody at the edge.
  }
  return true;
}

/** Settles when all microtasks have run. */
const turn = () => new Promise((resolve) => { realTurn(resolve); });

/** Settles when all microtasks have run, and what Node does beside them (digests, blobs, compression) is done too. */
async function quiet() {
  if (usesThreads) {
    await new Promise((resolve) => { realTimeout(resolve, THREAD_MILLISECONDS); });
  }
  do {
    await turn();
    await turn();
  } while (busy > 0);
}

function startTimer(repeats, callback, delay, args) {
  if (typeof callback !== 'function') {
    const found = callback === null ? 'null' : typeof callback;
    throw new TypeError(`The "callback" argument must be of type function. Received ${found}`);
  }
  const handle = sequence + 1;
  const run = () => {
    if (repeats) {
      handles.set(handle, schedule(delay, run));
    } else {
      handles.delete(handle);
    }
    callback(...args);
  };
  handles.set(handle, schedule(delay, run));
  return handle;
}

function stopTimer(handle) {
  const timer = handles.get(Number(handle));
  handles.delete(Number(handle));
  timers = timers.filter((other) => other !== timer);
}

/** A Date that reads the virtual clock, and is the same in every other way. */
function virtualDate() {
  const VirtualDate = function Date(...args) {
    if (new.target === undefined) {
      return new RealDate(clock()).toString();
    }
    return Reflect.construct(RealDate, args.length > 0 ? args : [clock()], new.target);
  };
  for (const key of Reflect.ownKeys(RealDate)) {
    Object.defineProperty(VirtualDate, key, Object.getOwnPropertyDescriptor(RealDate, key));
  }
  VirtualDate.now = function now() { return clock(); };
  RealDate.prototype.constructor = VirtualDate;
  return VirtualDate;
}

/** Makes the clock wait for the promises of some methods, which settle outside of the microtasks. */
function countWork(prototype, names) {
  for (const name of names) {
    const method = prototype[name];
    if (method === undefined) {
      continue;
    }
    const counted = function counted(...args) {
      const promise = Reflect.apply(method, this, args);
      const done = () => { busy -= 1; };
      busy += 1;
      promise.then(done, done);
      return promise;
    };
    Object.defineProperty(prototype, name, { value: counted, configurable: true, writable: true, enumerable: true });
  }
}

/** Notes that a class is used of which the work is done in threads that nobody can ask for their progress. */
const inThreads = (type) =>
  new Proxy(type, {
    construct(target, args, newTarget) {
      usesThreads = true;
      return Reflect.construct(target, args, newTarget);
    },
  });

/** Puts virtual time in the place of the real one. */
function install(target) {
  const put = (name, value) =>
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: false });
  put('setTimeout', function setTimeout(callback, delay, ...args) { return startTimer(false, callback, delay, args); });
  put('setInterval', function setInterval(callback, delay, ...args) { return startTimer(true, callback, delay, args); });
  put('setImmediate', function setImmediate(callback, ...args) { return startTimer(false, callback, 0, args); });
  for (const name of ['clearTimeout', 'clearInterval', 'clearImmediate']) {
    put(name, { [name](handle) { stopTimer(handle); } }[name]);
  }
  put('performance', Object.create({ now() { return elapsed; }, get timeOrigin() { return clock() - elapsed; } }));
  put('Date', virtualDate());
  AbortSignal.timeout = function timeout(delay) {
    const controller = new AbortController();
    const late = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
    schedule(delay, () => controller.abort(late));
    return controller.signal;
  };
  if (target.crypto === undefined) {
    put('crypto', webcrypto); // Node 18 has it, but not as a global
  }
  const { subtle } = target.crypto;
  countWork(Object.getPrototypeOf(subtle), Object.keys(Object.getPrototypeOf(subtle)));
  put('CompressionStream', inThreads(CompressionStream));
  put('DecompressionStream', inThreads(DecompressionStream));
  countWork(Blob.prototype, ['arrayBuffer', 'bytes', 'text']);
}

module.exports = { fireNext, install, quiet, reset, schedule, turn };

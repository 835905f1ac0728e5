// The event loop of a rule: timers in virtual time, and questions to the outside (requests, digests) with their answers.
// Nothing waits here. The worker calls `pump` whenever the microtasks have run dry; each call does one thing.

const MAX_TIMER = 2 ** 31 - 1;
const realNow = Date.now;

const loop = {
  now: 0, sequence: 0, timers: [], handles: new Map(), outbox: [], open: new Map(), late: [], fixedNow: null, startedAt: 0,

  reset(fixedNow) {
    Object.assign(loop, {
      now: 0, sequence: 0, timers: [], handles: new Map(), outbox: [], open: new Map(), late: [], fixedNow,
    });
  },

  /** The time that custom code sees: the wall clock, or a fixed start, plus the virtual time that has passed. */
  clock() {
    return Math.floor((loop.fixedNow === null ? realNow() : loop.fixedNow) + loop.now);
  },

  /** Puts a timer in order; a delay that is no sensible number counts as 1, as in Node. */
  at(delay, sequence, action) {
    const wait = delay >= 1 && delay <= MAX_TIMER ? Math.trunc(delay) : 1;
    const timer = { due: loop.now + wait, sequence, action };
    let place = loop.timers.length;
    while (place > 0 && isAfter(loop.timers[place - 1], timer)) {
      place -= 1;
    }
    loop.timers.splice(place, 0, timer);
    return timer;
  },

  after(delay, action) {
    return loop.at(delay, (loop.sequence += 1), action);
  },

  /** Asks the outside; the promise settles with its answer. */
  ask(kind, question) {
    const id = (loop.sequence += 1);
    return new Promise((resolve, reject) => {
      loop.open.set(id, { resolve, reject, since: loop.now });
      loop.outbox.push({ id, kind, ...question });
    });
  },

  /** Takes an answer in: at once, or when its delay is over. */
  answer({ id, delay, error, value }) {
    const { resolve, reject, since } = loop.open.get(id);
    loop.open.delete(id);
    const settle = () => (error === undefined ? resolve(value) : reject(new Error(error)));
    if (delay) {
      loop.at(delay - (loop.now - since), id, settle);
    } else {
      settle();
    }
  },

  /** Does the next thing there is to do; tells the worker what it was. */
  pump(isFinished) {
    if (loop.outbox.length > 0) {
      const asked = loop.outbox;
      loop.outbox = [];
      return { ask: asked };
    }
    if (loop.late.length > 0) {
      loop.late.shift()();
      return { again: true };
    }
    if (isFinished() || loop.timers.length === 0) {
      return { done: true };
    }
    const timer = loop.timers.shift();
    loop.now = timer.due;
    try {
      timer.action();
    } catch {
      // What a timer throws reaches nobody at the edge.
    }
    return { again: true };
  },
};

function isAfter(one, other) {
  return one.due > other.due || (one.due === other.due && one.sequence > other.sequence);
}

function startTimer(repeat, callback, delay, args) {
  if (typeof callback !== 'function') {
    throw new TypeError(`The "callback" argument must be of type function. Received ${callback === null ? 'null' : typeof callback}`);
  }
  const handle = loop.sequence + 1;
  const run = () => {
    if (repeat) {
      loop.handles.set(handle, loop.after(delay, run));
    } else {
      loop.handles.delete(handle);
    }
    callback(...args);
  };
  loop.handles.set(handle, loop.after(delay, run));
  return handle;
}

function stopTimer(handle) {
  const timer = loop.handles.get(Number(handle));
  if (timer !== undefined) {
    loop.handles.delete(Number(handle));
    loop.timers = loop.timers.filter((other) => other !== timer);
  }
}

define('setTimeout', function setTimeout(callback, delay, ...args) { return startTimer(false, callback, delay, args); });
define('setInterval', function setInterval(callback, delay, ...args) { return startTimer(true, callback, delay, args); });
define('setImmediate', function setImmediate(callback, ...args) { return startTimer(false, callback, 0, args); });
define('clearTimeout', function clearTimeout(handle) { stopTimer(handle); });
define('clearInterval', function clearInterval(handle) { stopTimer(handle); });
define('clearImmediate', function clearImmediate(handle) { stopTimer(handle); });
define('queueMicrotask', function queueMicrotask(callback) {
  if (typeof callback !== 'function') {
    throw new TypeError('The "callback" argument must be of type function.');
  }
  Promise.resolve().then(callback);
});

installClock(Date);

/** Replaces Date by one that reads the clock of the loop, and is the same in every other way. */
function installClock(RealDate) {
  const VirtualDate = function Date(...args) {
    if (new.target === undefined) {
      return new RealDate(loop.clock()).toString();
    }
    return Reflect.construct(RealDate, args.length > 0 ? args : [loop.clock()], new.target);
  };
  for (const key of Reflect.ownKeys(RealDate)) {
    Object.defineProperty(VirtualDate, key, Object.getOwnPropertyDescriptor(RealDate, key));
  }
  Object.defineProperty(VirtualDate, 'now', {
    value: { now() { return loop.clock(); } }.now, writable: true, configurable: true, enumerable: false,
  });
  Object.defineProperty(RealDate.prototype, 'constructor', {
    value: VirtualDate, writable: true, configurable: true, enumerable: false,
  });
  define('Date', VirtualDate);
}

define('performance', Object.create({ now() { return loop.now; }, get timeOrigin() { return loop.clock() - loop.now; } }));

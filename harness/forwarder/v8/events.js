// Event, EventTarget, AbortController, AbortSignal; and what the built-in engine has not, which says so when used.

class Event {
  #type;
  constructor(type) { this.#type = String(type); }
  get type() { return this.#type; }
}

class EventTarget {
  #listeners = new Map();
  addEventListener(type, listener, options) {
    const known = this.#listeners.get(type) ?? [];
    this.#listeners.set(type, [...known, { listener, once: Boolean(options?.once) }]);
  }
  removeEventListener(type, listener) {
    this.#listeners.set(type, (this.#listeners.get(type) ?? []).filter((known) => known.listener !== listener));
  }
  dispatchEvent(event) {
    for (const { listener, once } of this.#listeners.get(event.type) ?? []) {
      if (once) {
        this.removeEventListener(event.type, listener);
      }
      if (typeof listener === 'function') {
        listener.call(this, event);
      } else {
        listener.handleEvent(event);
      }
    }
    return true;
  }
}

class AbortSignal extends EventTarget {
  #aborted = false;
  #reason;
  onabort = null;
  get aborted() { return this.#aborted; }
  get reason() { return this.#reason; }
  throwIfAborted() {
    if (this.#aborted) {
      throw this.#reason;
    }
  }
  static abort(reason) { const signal = new AbortSignal(); abortSignal(signal, reason); return signal; }
  static timeout(delay) {
    const signal = new AbortSignal();
    const late = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
    loop.after(delay, () => abortSignal(signal, late));
    return signal;
  }
  static trigger(signal, reason = new DOMException('This operation was aborted', 'AbortError')) {
    if (signal.#aborted) {
      return;
    }
    signal.#aborted = true;
    signal.#reason = reason;
    const event = new Event('abort');
    signal.onabort?.(event);
    signal.dispatchEvent(event);
  }
}
const abortSignal = AbortSignal.trigger;
delete AbortSignal.trigger;

class AbortController {
  #signal = new AbortSignal();
  get signal() { return this.#signal; }
  abort(reason) { abortSignal(this.#signal, reason); }
}

define('Event', Event);
define('EventTarget', EventTarget);
define('AbortSignal', AbortSignal);
define('AbortController', AbortController);

const MISSING = [
  'Blob', 'File', 'FormData', 'ReadableStream', 'WritableStream', 'TransformStream', 'CompressionStream',
  'DecompressionStream', 'TextEncoderStream', 'TextDecoderStream', 'WebSocket', 'MessageChannel', 'BroadcastChannel',
  'HTMLRewriter', 'EventSource', 'XMLHttpRequest', 'Worker',
];
for (const name of MISSING) {
  const missing = { [name]: function Missing() {
    throw new TypeError(`${name} needs --engine turbine; the built-in engine does not have it`);
  } }[name];
  define(name, Object.defineProperty(missing, 'name', { value: name, configurable: true }));
}

// What could outlive a run, or read the real clock: nothing of it is known at the edge.
for (const name of ['SharedArrayBuffer', 'Atomics', 'FinalizationRegistry', 'Temporal', 'WebAssembly', '__timer_manager']) {
  delete globalThis[name];
}

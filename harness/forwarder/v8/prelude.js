// The first lines of what runs in every V8 isolate: everything after them, up to `entry.js`, shares one scope.

const realEval = globalThis.eval;

/** Puts a global in place as the built-in ones are: not listed, but open to change. */
function define(name, value) {
  const known = Object.getOwnPropertyDescriptor(globalThis, name);
  if (known !== undefined && !known.configurable) {
    globalThis[name] = value;
    return;
  }
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

// The first lines of what runs in every V8 isolate: everything after them, up to `entry.js`, shares one scope.

const realEval = globalThis.eval;
const { apply } = Reflect;
const { charCodeAt } = String.prototype;
const codeAt = (text, index) => apply(charCodeAt, text, [index]);

/** Puts a global in place as the built-in ones are: not listed, but open to change. */
function define(name, value) {
  const known = Object.getOwnPropertyDescriptor(globalThis, name);
  if (known !== undefined && !known.configurable) {
    globalThis[name] = value;
    return;
  }
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

/** What a run is at, for the case that it is stopped: the title and the name of a component, as UTF-16 units. */
const board = (() => {
  const units = new Uint16Array(new SharedArrayBuffer(512));
  return {
    memory: units.buffer,
    show(title, name) {
      const text = name === undefined ? title : `${title}\n${name}`;
      units[0] = text.length < 255 ? text.length : 255;
      for (let index = 0; index < units[0]; index += 1) {
        units[index + 1] = codeAt(text, index);
      }
    },
  };
})();

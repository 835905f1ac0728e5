// Whether a run has left something behind in what all runs share: the global object and the built-in objects.
// Everything used here was picked up before any custom code ran, and nothing goes through an object that code can change.

const newGuard = () => {
  const { getOwnPropertyDescriptor, getPrototypeOf, isExtensible, deleteProperty } = Reflect;
  const { is } = Object;
  const exec = RegExp.prototype.exec;
  const blank = /(?:)/;
  let suspicious = false;

  const realEval = globalThis.eval;
  Object.defineProperty(globalThis, 'eval', {
    get() { suspicious = true; return realEval; }, set() { suspicious = true; }, enumerable: false, configurable: true,
  });

  const objects = [];
  const seen = new Set();
  const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';
  const pending = [
    globalThis, (function* () {})(), (async function* () {})(), async () => {}, [].keys(), ''[Symbol.iterator](),
    new Map().keys(), new Set().keys(), ''.matchAll(/a/g), [].values().map((item) => item),
    Iterator.from({ next() {} }), new Intl.Segmenter().segment(''), new Intl.Segmenter().segment('')[Symbol.iterator](),
    realEval,
  ];
  const first = Object.prototype;
  pending.push(first);
  while (pending.length > 0) {
    const object = pending.pop();
    if (!seen.has(object)) {
      seen.add(object);
      objects.push(remembered(object));
    }
  }

  function remembered(object) {
    const keys = ownKeys(object);
    const descriptors = keys.map((key) => getOwnPropertyDescriptor(object, key));
    const prototype = getPrototypeOf(object);
    for (const { value, get, set } of descriptors) {
      pending.push(...[value, get, set].filter(isObject));
    }
    if (prototype !== null) {
      pending.push(prototype);
    }
    // Of the many functions only the number of properties counts, for speed: name and length say nothing.
    const isPlain = typeof object === 'function' && keys.length <= 3 && !keys.includes('prototype');
    return { object, keys, descriptors: isPlain ? null : descriptors, prototype, open: isExtensible(object) };
  }

  const sameDescriptor = (one, other) =>
    is(one.value, other.value) && one.get === other.get && one.set === other.set && one.writable === other.writable;

  function same({ object, keys, descriptors, prototype, open }) {
    const found = ownKeys(object);
    if (found.length !== keys.length || getPrototypeOf(object) !== prototype || isExtensible(object) !== open) {
      return false;
    }
    if (descriptors !== null) {
      for (let index = 0; index < keys.length; index += 1) {
        const key = keys[index];
        if (found[index] !== key || !sameDescriptor(getOwnPropertyDescriptor(object, key), descriptors[index])) {
          return false;
        }
      }
    }
    return true;
  }

  const known = objects.find(({ object }) => object === globalThis).keys;

  /** Removes variables that code made by forgetting to declare them. */
  function sweep() {
    const found = ownKeys(globalThis);
    for (let index = known.length; index < found.length; index += 1) {
      deleteProperty(globalThis, found[index]);
    }
  }

  /** Whether everything shared is as it was before the first run. */
  return () => {
    if (suspicious) {
      return false;
    }
    apply(exec, blank, ['']);
    sweep();
    for (let index = 0; index < objects.length; index += 1) {
      if (!same(objects[index])) {
        return false;
      }
    }
    return true;
  };
};

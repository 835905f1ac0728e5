// Randomness that a run can repeat: every run of a rule gets its own seed, so ids differ from run to run.

const random = { state: [1, 2, 3, 4] };

random.reset = (seed) => {
  random.state = [seed | 0, (seed / 2 ** 32) | 0, 0x9e3779b9, 1];
  for (let count = 0; count < 12; count += 1) {
    random.next();
  }
};

/** 32 bits of Chris Doty-Humphrey's small fast counting generator. */
random.next = () => {
  const { state } = random;
  const sum = (state[0] + state[1] + state[3]) | 0;
  state[3] = (state[3] + 1) | 0;
  state[0] = state[1] ^ (state[1] >>> 9);
  state[1] = (state[2] + (state[2] << 3)) | 0;
  state[2] = ((state[2] << 21) | (state[2] >>> 11)) + sum | 0;
  return sum >>> 0;
};

Object.defineProperty(Math, 'random', {
  value: { random() { return (random.next() * 2 ** 21 + (random.next() >>> 11)) / 2 ** 53; } }.random,
  writable: true, configurable: true, enumerable: false,
});

const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const bytesOfHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** The bytes of a buffer or a view of one; a TypeError for anything else. */
function bytesOf(data) {
  if (data instanceof ArrayBuffer) {
    return new Uint8Array(data);
  }
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  throw new TypeError('The provided value is not an ArrayBuffer or a view of one.');
}

class CryptoKey {
  #secret;
  #algorithm;
  #usages;
  constructor(door, secret, algorithm, usages) {
    if (door !== keyDoor) {
      throw new TypeError('Illegal constructor');
    }
    this.#secret = secret;
    this.#algorithm = algorithm;
    this.#usages = usages;
  }
  get type() { return 'secret'; }
  get extractable() { return false; }
  get algorithm() { return this.#algorithm; }
  get usages() { return this.#usages; }
  static secretOf(key) { return key.#secret; }
}
const keyDoor = Symbol('key');
const secretOf = CryptoKey.secretOf;
delete CryptoKey.secretOf;

const algorithmName = (algorithm) => String(algorithm?.name ?? algorithm).toUpperCase();
const HASHES = ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512'];

/** The upper-case name of a hash that there is. */
function hashName(algorithm) {
  const name = algorithmName(algorithm);
  if (!HASHES.includes(name)) {
    throw new Error(`crypto.subtle with ${name} needs --engine turbine; the built-in engine has ${HASHES.join(', ')} and HMAC`);
  }
  return name;
}

class SubtleCrypto {
  async digest(algorithm, data) {
    const hash = hashName(algorithm);
    return bytesOfHex(await loop.ask('digest', { hash, data: hexOf(bytesOf(data)) })).buffer;
  }
  async importKey(format, data, algorithm, extractable, usages) {
    if (format !== 'raw' || algorithmName(algorithm) !== 'HMAC') {
      throw new Error('crypto.subtle.importKey of anything but a raw HMAC key needs --engine turbine');
    }
    const secret = hexOf(bytesOf(data));
    return new CryptoKey(keyDoor, secret, { name: 'HMAC', hash: { name: hashName(algorithm.hash) } }, [...usages]);
  }
  async sign(algorithm, key, data) {
    if (algorithmName(algorithm) !== 'HMAC') {
      throw new Error('crypto.subtle.sign with anything but HMAC needs --engine turbine');
    }
    const question = { hash: key.algorithm.hash.name, key: secretOf(key), data: hexOf(bytesOf(data)) };
    return bytesOfHex(await loop.ask('digest', question)).buffer;
  }
  async verify(algorithm, key, signature, data) {
    return hexOf(new Uint8Array(await this.sign(algorithm, key, data))) === hexOf(bytesOf(signature));
  }
}
for (const name of ['encrypt', 'decrypt', 'generateKey', 'deriveKey', 'deriveBits', 'exportKey', 'wrapKey', 'unwrapKey']) {
  Object.defineProperty(SubtleCrypto.prototype, name, {
    value: { async [name]() { throw new Error(`crypto.subtle.${name} needs --engine turbine`); } }[name],
    writable: true, configurable: true, enumerable: false,
  });
}

class Crypto {
  #subtle = new SubtleCrypto();
  get subtle() { return this.#subtle; }
  getRandomValues(array) {
    const bytes = bytesOf(array);
    for (let index = 0; index < bytes.length; index += 1) {
      bytes[index] = random.next();
    }
    return array;
  }
  randomUUID() {
    const bytes = this.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    return hexOf(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }
}

define('Crypto', Crypto);
define('SubtleCrypto', SubtleCrypto);
define('CryptoKey', CryptoKey);
define('crypto', new Crypto());

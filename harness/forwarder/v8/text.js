// Texts and bytes: TextEncoder, TextDecoder, atob, btoa, structuredClone.

class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(text = '') {
    return Uint8Array.from(utf8Bytes(String(text)));
  }
  encodeInto(text, target) {
    const bytes = this.encode(text).subarray(0, target.length);
    target.set(bytes);
    return { read: text.length, written: bytes.length };
  }
}

function* utf8Bytes(text) {
  for (const character of text.toWellFormed()) {
    const code = character.codePointAt(0);
    if (code < 0x80) {
      yield code;
    } else if (code < 0x800) {
      yield 0xc0 | (code >> 6);
      yield 0x80 | (code & 63);
    } else if (code < 0x10000) {
      yield 0xe0 | (code >> 12);
      yield 0x80 | ((code >> 6) & 63);
      yield 0x80 | (code & 63);
    } else {
      yield 0xf0 | (code >> 18);
      yield 0x80 | ((code >> 12) & 63);
      yield 0x80 | ((code >> 6) & 63);
      yield 0x80 | (code & 63);
    }
  }
}

const UTF8_LABELS = ['utf-8', 'utf8', 'unicode-1-1-utf-8'];

class TextDecoder {
  #fatal;
  #keepMark;
  constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
    if (!UTF8_LABELS.includes(String(label).trim().toLowerCase())) {
      throw new RangeError(`TextDecoder of ${label} needs --engine turbine; the built-in engine decodes UTF-8 only`);
    }
    this.#fatal = Boolean(fatal);
    this.#keepMark = Boolean(ignoreBOM);
  }
  get encoding() { return 'utf-8'; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#keepMark; }
  decode(data = new Uint8Array(0)) {
    const text = utf8Text(bytesOf(data), this.#fatal);
    return text.startsWith('\ufeff') && !this.#keepMark ? text.slice(1) : text;
  }
}

/** Lengths of sequences by lead byte, with the range of the second byte that no overlong form or surrogate falls in. */
function sequenceAt(lead) {
  if (lead >= 0xc2 && lead <= 0xdf) return [1, lead & 31, 0x80, 0xbf];
  if (lead >= 0xe0 && lead <= 0xef) return [2, lead & 15, lead === 0xe0 ? 0xa0 : 0x80, lead === 0xed ? 0x9f : 0xbf];
  if (lead >= 0xf0 && lead <= 0xf4) return [3, lead & 7, lead === 0xf0 ? 0x90 : 0x80, lead === 0xf4 ? 0x8f : 0xbf];
  return null;
}

function utf8Text(bytes, fatal) {
  const parts = [];
  let index = 0;
  while (index < bytes.length) {
    const lead = bytes[index];
    index += 1;
    if (lead < 0x80) {
      parts.push(String.fromCharCode(lead));
      continue;
    }
    const sequence = sequenceAt(lead);
    let [missing, code, low, high] = sequence ?? [0, 0, 0, 0];
    while (missing > 0 && bytes[index] >= low && bytes[index] <= high) {
      code = (code << 6) | (bytes[index] & 63);
      [low, high] = [0x80, 0xbf];
      index += 1;
      missing -= 1;
    }
    if (sequence === null || missing > 0) {
      if (fatal) {
        throw new TypeError('The encoded data was not valid for encoding utf-8');
      }
      parts.push('\ufffd');
    } else {
      parts.push(String.fromCodePoint(code));
    }
  }
  return parts.join('');
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

class DOMException extends Error {
  #message;
  #name;
  constructor(message = '', name = 'Error') {
    super();
    this.#message = String(message);
    this.#name = String(name);
  }
  get message() { return this.#message; }
  get name() { return this.#name; }
  get code() { return { InvalidCharacterError: 5, DataCloneError: 25, AbortError: 20, TimeoutError: 23 }[this.#name] ?? 0; }
}

function btoa(data) {
  const text = String(data);
  let result = '';
  for (let index = 0; index < text.length; index += 3) {
    const codes = [0, 1, 2].map((offset) => text.charCodeAt(index + offset));
    if (codes.some((code) => code > 255)) {
      throw new DOMException('Invalid character', 'InvalidCharacterError');
    }
    const bits = (codes[0] << 16) | ((codes[1] || 0) << 8) | (codes[2] || 0);
    const letters = [18, 12, 6, 0].map((shift) => BASE64[(bits >> shift) & 63]).join('');
    const left = text.length - index;
    result += left >= 3 ? letters : letters.slice(0, left + 1).padEnd(4, '=');
  }
  return result;
}

function atob(data) {
  let text = String(data).replace(/[\t\n\f\r ]/g, '');
  if (text.length % 4 === 0) {
    text = text.replace(/==?$/, '');
  }
  if (text.length % 4 === 1 || /[^A-Za-z0-9+/]/.test(text)) {
    throw new DOMException('The string to be decoded is not correctly encoded.', 'InvalidCharacterError');
  }
  let result = '';
  let bits = 0;
  let count = 0;
  for (const letter of text) {
    bits = ((bits << 6) | BASE64.indexOf(letter)) & 0xffffff;
    count += 6;
    if (count >= 8) {
      count -= 8;
      result += String.fromCharCode((bits >> count) & 255);
    }
  }
  return result;
}

/** A deep copy of data, with its circles; functions, symbols and objects that are no plain data are refused. */
function structuredClone(value) {
  return cloned(value, new Map());
}

function cloned(value, seen) {
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new DOMException(`${String(value)} could not be cloned.`, 'DataCloneError');
  }
  if (value === null || typeof value !== 'object') {
    return value;
  }
  if (seen.has(value)) {
    return seen.get(value);
  }
  const [copy, fill] = emptyCopy(value, seen);
  seen.set(value, copy);
  fill?.();
  return copy;
}

function emptyCopy(value, seen) {
  const copy = (inner) => cloned(inner, seen);
  if (value instanceof Date) return [new Date(value.getTime())];
  if (value instanceof RegExp) return [new RegExp(value.source, value.flags)];
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return [Object(value.valueOf())];
  if (value instanceof ArrayBuffer) return [value.slice(0)];
  if (ArrayBuffer.isView(value)) {
    return [new value.constructor(value.buffer.slice(0), value.byteOffset, value.length ?? value.byteLength)];
  }
  if (value instanceof Map) {
    const map = new Map();
    return [map, () => value.forEach((item, key) => map.set(copy(key), copy(item)))];
  }
  if (value instanceof Set) {
    const set = new Set();
    return [set, () => value.forEach((item) => set.add(copy(item)))];
  }
  if (value instanceof Error) {
    const error = new Error(value.message);
    return [Object.defineProperty(error, 'stack', { value: value.stack, writable: true, configurable: true })];
  }
  const target = Array.isArray(value) ? new Array(value.length) : {};
  return [target, () => { for (const key of Object.keys(value)) { target[key] = copy(value[key]); } }];
}

define('TextEncoder', TextEncoder);
define('TextDecoder', TextDecoder);
define('DOMException', DOMException);
define('atob', atob);
define('btoa', btoa);
define('structuredClone', structuredClone);

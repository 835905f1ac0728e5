// URL and URLSearchParams for the addresses that rules deal with: schemes with a host (http, https, ws, wss, ftp).

const DEFAULT_PORTS = { 'http:': '80', 'https:': '443', 'ws:': '80', 'wss:': '443', 'ftp:': '21' };
const URL_PARTS = /^([a-z][a-z0-9+.-]*:)[\\/]*(?:([^\\/?#@]*)@)?(\[[^\]]*\]|[^\\/?#:]*)(?::(\d*))?([^?#]*)(\?[^#]*)?(#.*)?$/is;

const percent = (text, kept) => {
  let result = '';
  for (const character of text.toWellFormed()) {
    result += kept.test(character) ? character : Array.from(utf8Bytes(character), hexByte).join('');
  }
  return result;
};
const hexByte = (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
const PATH_KEEPS = /[!$%&'()*+,\-./0-9:;=@A-Z[\]\\_a-z~|]/;
const QUERY_KEEPS = /[!$%&()*+,\-./0-9:;=?@A-Z[\]\\^_`a-z{|}~]/;
const FRAGMENT_KEEPS = /[!#$%&'()*+,\-./0-9:;=?@A-Z[\]\\^_a-z{|}~]/;
const FORM_KEEPS = /[*\-._0-9A-Za-z]/;

const formEncoded = (text) => percent(text, /[*\-._0-9A-Za-z ]/).replaceAll(' ', '+');
const formDecoded = (text) => utf8Text(unescaped(text.replaceAll('+', ' ')), false);

function unescaped(text) {
  const bytes = [...utf8Bytes(text)];
  const result = [];
  for (let index = 0; index < bytes.length; index += 1) {
    const pair = String.fromCharCode(bytes[index + 1] ?? 0, bytes[index + 2] ?? 0);
    if (bytes[index] === 37 && /^[0-9a-f]{2}$/i.test(pair)) {
      result.push(parseInt(pair, 16));
      index += 2;
    } else {
      result.push(bytes[index]);
    }
  }
  return Uint8Array.from(result);
}

class URLSearchParams {
  #pairs = [];
  #changed = () => {};
  constructor(init = '') {
    if (typeof init === 'object' && init !== null) {
      const entries = typeof init[Symbol.iterator] === 'function' ? [...init] : Object.entries(init);
      this.#pairs = entries.map((entry) => [...entry].map(String));
    } else {
      const text = String(init).replace(/^\?/, '');
      this.#pairs = text.split('&').filter(Boolean).map((part) => {
        const at = part.indexOf('=');
        return at < 0 ? [formDecoded(part), ''] : [formDecoded(part.slice(0, at)), formDecoded(part.slice(at + 1))];
      });
    }
  }
  static onChange(params, changed) { params.#changed = changed; }
  get size() { return this.#pairs.length; }
  append(name, value) { this.#pairs.push([String(name), String(value)]); this.#changed(); }
  delete(name, value) {
    this.#pairs = this.#pairs.filter((pair) => pair[0] !== String(name) || (value !== undefined && pair[1] !== String(value)));
    this.#changed();
  }
  get(name) { return this.#pairs.find((pair) => pair[0] === String(name))?.[1] ?? null; }
  getAll(name) { return this.#pairs.filter((pair) => pair[0] === String(name)).map((pair) => pair[1]); }
  has(name, value) {
    return this.#pairs.some((pair) => pair[0] === String(name) && (value === undefined || pair[1] === String(value)));
  }
  set(name, value) {
    const first = this.#pairs.find((pair) => pair[0] === String(name));
    if (first === undefined) {
      this.append(name, value);
      return;
    }
    first[1] = String(value);
    this.#pairs = this.#pairs.filter((pair) => pair === first || pair[0] !== first[0]);
    this.#changed();
  }
  sort() { this.#pairs.sort((one, other) => (one[0] < other[0] ? -1 : Number(one[0] > other[0]))); this.#changed(); }
  forEach(callback, self) { this.#pairs.forEach(([name, value]) => callback.call(self, value, name, this)); }
  *entries() { for (const [name, value] of this.#pairs) yield [name, value]; }
  *keys() { for (const [name] of this.#pairs) yield name; }
  *values() { for (const [, value] of this.#pairs) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  toString() { return this.#pairs.map(([name, value]) => `${formEncoded(name)}=${formEncoded(value)}`).join('&'); }
  get [Symbol.toStringTag]() { return 'URLSearchParams'; }
}
const whenParamsChange = URLSearchParams.onChange;
delete URLSearchParams.onChange;

/** The parts of an absolute address; null when it is none. */
function urlParts(text) {
  const match = URL_PARTS.exec(text);
  if (match === null) {
    return null;
  }
  const [, scheme, user = '', host, port = '', path, search = '', hash = ''] = match;
  const protocol = scheme.toLowerCase();
  if (!(protocol in DEFAULT_PORTS) || host === '' || /[\s<>^|%#]/.test(host) || Number(port) > 65535) {
    return null;
  }
  if (/[^\x00-\x7f]/.test(host)) {
    throw new TypeError(`the host ${host} needs --engine turbine; the built-in engine knows hosts in ASCII only`);
  }
  const [username, password = ''] = user.split(/:(.*)/s);
  return {
    protocol, username, password, hostname: host.toLowerCase(),
    port: port === '' || Number(port) === Number(DEFAULT_PORTS[protocol]) ? '' : String(Number(port)),
    pathname: percent(withoutDots(path.replaceAll('\\', '/') || '/'), PATH_KEEPS),
    search: search.length > 1 ? percent(search, QUERY_KEEPS) : '',
    hash: hash.length > 1 ? percent(hash, FRAGMENT_KEEPS) : '',
  };
}

function withoutDots(path) {
  const result = [];
  const steps = path.split('/').slice(1);
  steps.forEach((step, index) => {
    const plain = step.replace(/%2e/gi, '.');
    if (plain === '..') {
      result.pop();
    } else if (plain !== '.') {
      result.push(step);
      return;
    }
    if (index === steps.length - 1) {
      result.push('');
    }
  });
  return `/${result.join('/')}`;
}

/** An address written relative to another one, made absolute. */
function resolvedUrl(text, base) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) {
    return text;
  }
  const { protocol, pathname, search } = base;
  const host = base.href.slice(protocol.length + 2).replace(/[/?#].*$/s, '');
  if (/^[\\/]{2}/.test(text)) return protocol + text;
  if (/^[\\/]/.test(text)) return `${protocol}//${host}${text}`;
  if (text === '' || text.startsWith('#')) return `${protocol}//${host}${pathname}${search}${text}`;
  if (text.startsWith('?')) return `${protocol}//${host}${pathname}${text}`;
  return `${protocol}//${host}${pathname.replace(/[^/]*$/, '')}${text}`;
}

class URL {
  #parts;
  #params = null;
  constructor(address, base) {
    const text = String(address).replace(/^[\x00-\x20]+|[\x00-\x20]+$/g, '').replace(/[\t\n\r]/g, '');
    this.#parts = urlParts(base === undefined ? text : resolvedUrl(text, new URL(base)));
    if (this.#parts === null) {
      throw Object.assign(new TypeError('Invalid URL'), { code: 'ERR_INVALID_URL', input: String(address) });
    }
  }
  static canParse(address, base) { return URL.parse(address, base) !== null; }
  static parse(address, base) {
    try {
      return new URL(address, base);
    } catch {
      return null;
    }
  }
  #change(changes) {
    const { username, password, hostname, port, protocol, pathname, search, hash } = { ...this.#parts, ...changes };
    const user = username === '' && password === '' ? '' : `${username}${password === '' ? '' : `:${password}`}@`;
    const text = `${protocol}//${user}${hostname}${port === '' ? '' : `:${port}`}${pathname}${search}${hash}`;
    this.#parts = urlParts(text) ?? this.#parts;
  }
  get href() {
    const { username, password, protocol, pathname, search, hash } = this.#parts;
    const user = username === '' && password === '' ? '' : `${username}${password === '' ? '' : `:${password}`}@`;
    return `${protocol}//${user}${this.host}${pathname}${search}${hash}`;
  }
  set href(value) { this.#parts = new URL(value).#parts; this.#params = null; }
  get origin() { return `${this.#parts.protocol}//${this.host}`; }
  get host() { return this.#parts.hostname + (this.#parts.port === '' ? '' : `:${this.#parts.port}`); }
  set host(value) { const [hostname, port = ''] = String(value).split(':'); this.#change({ hostname, port }); }
  get protocol() { return this.#parts.protocol; }
  set protocol(value) { this.#change({ protocol: `${String(value).replace(/:.*$/s, '')}:` }); }
  get searchParams() {
    if (this.#params === null) {
      this.#params = new URLSearchParams(this.search);
      whenParamsChange(this.#params, () => {
        const query = this.#params.toString();
        this.#parts = { ...this.#parts, search: query === '' ? '' : `?${query}` };
      });
    }
    return this.#params;
  }
  get search() { return this.#parts.search; }
  set search(value) {
    const query = String(value).replace(/^\?/, '');
    this.#change({ search: query === '' ? '' : `?${query.replaceAll('#', '%23')}` });
    this.#params = null;
  }
  get hash() { return this.#parts.hash; }
  set hash(value) { const text = String(value).replace(/^#/, ''); this.#change({ hash: text === '' ? '' : `#${text}` }); }
  get hostname() { return this.#parts.hostname; }
  set hostname(value) { this.#change({ hostname: String(value) }); }
  get port() { return this.#parts.port; }
  set port(value) { this.#change({ port: String(value) }); }
  get pathname() { return this.#parts.pathname; }
  set pathname(value) {
    const path = String(value).replaceAll('?', '%3F').replaceAll('#', '%23');
    this.#change({ pathname: path.startsWith('/') ? path : `/${path}` });
  }
  get username() { return this.#parts.username; }
  set username(value) { this.#change({ username: percent(String(value), FORM_KEEPS) }); }
  get password() { return this.#parts.password; }
  set password(value) { this.#change({ password: percent(String(value), FORM_KEEPS) }); }
  toString() { return this.href; }
  toJSON() { return this.href; }
  get [Symbol.toStringTag]() { return 'URL'; }
}

define('URL', URL);
define('URLSearchParams', URLSearchParams);

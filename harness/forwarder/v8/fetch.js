// Headers, Request, Response and fetch. A request leaves as data; the harness says what answers it.

const NULL_BODY_STATUSES = [101, 204, 205, 304];
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function headerName(name) {
  const text = String(name);
  if (!HEADER_NAME.test(text)) {
    throw new TypeError(`Headers.append: "${text}" is an invalid header name.`);
  }
  return text.toLowerCase();
}
const headerValue = (value) => String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');

class Headers {
  #values = new Map();
  constructor(init) {
    if (init === undefined || init === null) {
      return;
    }
    const entries = typeof init[Symbol.iterator] === 'function' ? [...init] : Object.entries(init);
    entries.forEach(([name, value]) => this.append(name, value));
  }
  append(name, value) {
    const key = headerName(name);
    const text = headerValue(value);
    this.#values.set(key, this.#values.has(key) ? `${this.#values.get(key)}, ${text}` : text);
  }
  set(name, value) { this.#values.set(headerName(name), headerValue(value)); }
  get(name) { return this.#values.get(headerName(name)) ?? null; }
  has(name) { return this.#values.has(headerName(name)); }
  delete(name) { this.#values.delete(headerName(name)); }
  getSetCookie() { const value = this.get('set-cookie'); return value === null ? [] : [value]; }
  forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }
  *entries() { for (const name of [...this.#values.keys()].sort()) yield [name, this.#values.get(name)]; }
  *keys() { for (const [name] of this.entries()) yield name; }
  *values() { for (const [, value] of this.entries()) yield value; }
  [Symbol.iterator]() { return this.entries(); }
  get [Symbol.toStringTag]() { return 'Headers'; }
}

/** The text of a body, and the type that it brings along. */
function bodyText(body) {
  if (body === undefined || body === null) return [null, null];
  if (body instanceof URLSearchParams) return [body.toString(), 'application/x-www-form-urlencoded;charset=UTF-8'];
  if (body instanceof ArrayBuffer || ArrayBuffer.isView(body)) return [utf8Text(bytesOf(body), false), null];
  return [String(body), 'text/plain;charset=UTF-8'];
}

/** What Request and Response share: a body that can be read once. */
class Body {
  #text;
  #used = false;
  #headers;
  constructor(body, headers) {
    const [text, type] = bodyText(body);
    this.#text = text;
    this.#headers = new Headers(headers);
    if (type !== null && !this.#headers.has('content-type')) {
      this.#headers.set('content-type', type);
    }
  }
  get headers() { return this.#headers; }
  get body() {
    if (this.#text === null) return null;
    throw new TypeError('reading a body as a stream needs --engine turbine; the built-in engine has text(), json(), arrayBuffer()');
  }
  get bodyUsed() { return this.#used; }
  async text() {
    if (this.#used) {
      throw new TypeError('Body is unusable: Body has already been read');
    }
    this.#used = this.#text !== null;
    return this.#text ?? '';
  }
  async json() { return JSON.parse(await this.text()); }
  async arrayBuffer() { return new TextEncoder().encode(await this.text()).buffer; }
  async bytes() { return new Uint8Array(await this.arrayBuffer()); }
  async blob() { throw new TypeError('blob() needs --engine turbine'); }
  async formData() { throw new TypeError('formData() needs --engine turbine'); }
  static textOf(holder) {
    if (holder.#used) {
      throw new TypeError('Response.clone: Body has already been consumed.');
    }
    return holder.#text;
  }
}
const textOf = Body.textOf;
delete Body.textOf;

class Response extends Body {
  #status;
  #statusText;
  constructor(body = null, { status = 200, statusText = '', headers } = {}) {
    const number = Math.trunc(Number(status));
    if (!(number >= 200 && number <= 599)) {
      throw new RangeError('init["status"] must be in the range of 200 to 599, inclusive.');
    }
    if (body !== null && body !== undefined && NULL_BODY_STATUSES.includes(number)) {
      throw new TypeError(`Response constructor: Invalid response status code ${number}`);
    }
    super(body, headers);
    this.#status = number;
    this.#statusText = String(statusText);
  }
  static json(data, init = {}) {
    const headers = new Headers(init.headers);
    if (!headers.has('content-type')) headers.set('content-type', 'application/json');
    return new Response(JSON.stringify(data), { ...init, headers });
  }
  get type() { return 'default'; }
  get url() { return ''; }
  get redirected() { return false; }
  get status() { return this.#status; }
  get ok() { return this.#status >= 200 && this.#status <= 299; }
  get statusText() { return this.#statusText; }
  clone() {
    return new Response(textOf(this), { status: this.#status, statusText: this.#statusText, headers: this.headers });
  }
  get [Symbol.toStringTag]() { return 'Response'; }
}

class Request extends Body {
  #url;
  #method;
  #signal;
  constructor(resource, init = {}) {
    const from = resource instanceof Request ? resource : null;
    const method = String(init.method ?? from?.method ?? 'GET');
    const body = init.body ?? (from === null ? null : textOf(from));
    if (body !== null && /^(get|head)$/i.test(method)) {
      throw new TypeError('Request with GET/HEAD method cannot have body.');
    }
    super(body, init.headers ?? from?.headers);
    this.#url = from === null ? absoluteUrl(resource) : from.url;
    this.#method = /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method;
    this.#signal = init.signal ?? from?.signal ?? new AbortController().signal;
  }
  get url() { return this.#url; }
  get method() { return this.#method; }
  get signal() { return this.#signal; }
  clone() { return new Request(this); }
  get [Symbol.toStringTag]() { return 'Request'; }
}

function absoluteUrl(resource) {
  try {
    return new URL(resource).href;
  } catch (error) {
    throw new TypeError(`Failed to parse URL from ${resource}`, { cause: error });
  }
}

/** The request as data: the address as it was written, headers and body as `init` or a Request gives them. */
function requestData(resource, init) {
  const from = resource instanceof Request ? resource : null;
  const method = String(init.method ?? from?.method ?? 'GET');
  const [text] = bodyText(init.body ?? (from === null ? null : textOf(from)));
  if (from === null) {
    absoluteUrl(resource);
  }
  const entries = init.headers instanceof Headers ? [...init.headers] : Object.entries(init.headers ?? {});
  return {
    url: from === null ? String(resource) : from.url,
    method: /^(delete|get|head|options|post|put)$/i.test(method) ? method.toUpperCase() : method,
    headers: Object.fromEntries(entries.map(([name, value]) => [name, String(value)])),
    body: text ?? '',
  };
}

/** Sends a request; the promise gives a Response, or fails as the network would. */
async function outsideFetch(resource, init = {}) {
  const request = requestData(resource, init);
  const signal = init.signal ?? (resource instanceof Request ? resource.signal : null);
  signal?.throwIfAborted();
  const { status, body } = await untilAborted(loop.ask('fetch', { request }), signal);
  const kept = body === '' || NULL_BODY_STATUSES.includes(status) ? null : body;
  return new Response(kept, { status });
}

function untilAborted(promise, signal) {
  if (!signal) {
    return promise;
  }
  return Promise.race([promise, new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  })]);
}

define('Headers', Headers);
define('Request', Request);
define('Response', Response);
define('fetch', { fetch(resource, init) { return outsideFetch(resource, init); } }.fetch);

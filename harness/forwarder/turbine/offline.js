'use strict';
// Closes every way from this process to the network and to other programs, before anything else is loaded, and takes
// away what code at the edge can't see either.

const Module = require('node:module');

const refusing = (what) =>
  function refused() {
    throw new Error(`${what} is closed: the harness answers every request itself`);
  };

/** The functions of Node's modules through which a process reaches others. */
const DOORS = {
  'node:net': ['connect', 'createConnection', 'createServer'],
  'node:tls': ['connect', 'createServer'],
  'node:dgram': ['createSocket'],
  'node:http': ['request', 'get', 'createServer'],
  'node:https': ['request', 'get', 'createServer'],
  'node:http2': ['connect', 'createServer', 'createSecureServer'],
  'node:child_process': ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync'],
};

function close() {
  for (const [name, functions] of Object.entries(DOORS)) {
    const module = require(name);
    for (const key of functions) {
      module[key] = refusing(`${name}.${key}`);
    }
  }
  const net = require('node:net');
  net.Socket.prototype.connect = refusing('a socket');
  net.Server.prototype.listen = refusing('a server');
  require('node:dgram').Socket.prototype.bind = refusing('a socket');
  const dns = require('node:dns');
  for (const lookups of [dns, dns.promises, dns.Resolver.prototype, dns.promises.Resolver.prototype]) {
    for (const key of Reflect.ownKeys(lookups)) {
      if (/^(lookup|resolve|reverse)/.test(String(key))) {
        lookups[key] = refusing('DNS');
      }
    }
  }
  process.binding = refusing('process.binding');
  Module.syncBuiltinESMExports();
}

/** Names that Node has and the edge has not, or that reach the network by themselves. `Buffer` has to stay: Node needs it. */
const HIDDEN = ['process', 'global', 'navigator', 'fetch', 'WebSocket', 'EventSource', 'localStorage', 'sessionStorage'];

/** Takes Node's own names away from code; `console` stays and says nothing, because the output is the protocol's. */
function hide(target) {
  for (const name of HIDDEN) {
    delete target[name];
  }
  for (const name of Object.keys(target.console)) {
    if (typeof target.console[name] === 'function') {
      target.console[name] = () => {};
    }
  }
}

module.exports = { close, hide };

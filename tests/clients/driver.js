// Plays calls of Mixpanel's Node SDK: a JSON document on standard input, its results on standard output.
//
//   {"modules": folder, "token": text, "config": {...}, "unsealed": bool, "calls": [["track", ...], ["people.set", ...]]}
//
// The SDK gives credentials to https only. `unsealed` lets its https requests go by http, so that everything else about
// them stays its own.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const https = require("node:https");
const path = require("node:path");

const input = JSON.parse(fs.readFileSync(0, "utf8"));
const Mixpanel = require(path.join(input.modules, "mixpanel"));

for (const library of [http, https]) {
  const request = library === http ? http.request : input.unsealed ? http.request : https.request;
  library.request = (options, done) => {
    if (options.host !== "127.0.0.1") throw new Error(`a request to ${options.host}`);
    return request({ ...options, agent: undefined }, done);
  };
}

const mixpanel = Mixpanel.init(input.token, input.config);

function called([name, ...given]) {
  const owner = name.startsWith("people.") ? mixpanel.people : name.startsWith("groups.") ? mixpanel.groups : mixpanel;
  const times = given.map((value) => (value !== null && typeof value === "object" && "$date" in value ? new Date(value.$date) : value));
  return new Promise((resolve) => {
    const done = (error) => resolve(error === undefined || error === null ? null : String([error].flat()[0].message));
    owner[name.split(".").at(-1)](...times, done);
  });
}

(async () => {
  const results = [];
  for (const call of input.calls) results.push(await called(call));
  process.stdout.write(JSON.stringify(results));
  process.exit(0);
})();

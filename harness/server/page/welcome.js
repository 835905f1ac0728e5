// What an empty server says: where to send to, from each SDK.

import { html, lineBreak } from "./dom.js";
import { sessionToken } from "./server.js";

function samples(origin, host, port, token) {
  return [
    ["Browser", `mixpanel.init("${token}", {\n  api_host: "${origin}"\n});\nmixpanel.track("Page View");`],
    ["Node", `const mixpanel = Mixpanel.init("${token}", {\n  protocol: "http",\n  host: "${host}",\n  port: ${port}\n});\nmixpanel.track("Page View", {distinct_id: "ana"});`],
    ["Python", `consumer = mixpanel.Consumer(\n  events_url="${origin}/track",\n  people_url="${origin}/engage",\n  groups_url="${origin}/groups",\n  import_url="${origin}/import",\n)\nmp = mixpanel.Mixpanel("${token}", consumer)\nmp.track("ana", "Page View")`],
    ["Shell", `curl ${origin}/track \\\n  -H 'content-type: application/json' \\\n  -d '[{"event": "Page View",\n        "properties": {"token": "${token}",\n                       "distinct_id": "ana"}}]'`],
  ];
}

export function welcome() {
  const { origin, hostname, port, protocol } = location;
  const number = port || (protocol === "https:" ? "443" : "80");
  const shown = samples(origin, hostname, number, sessionToken() ?? "ANY_TOKEN");
  return [
    html("h3", {}, "Nobody here yet"),
    html("p", {}, "Set the API host of an SDK to ", html("code", {}, origin), ", use your app, and watch who becomes whom."),
    html(
      "div",
      { class: "samples" },
      shown.map(([name, code]) => html("figure", {}, html("figcaption", {}, name), html("pre", { tabindex: "0", "aria-label": name }, lines(code)))),
    ),
  ];
}

function lines(code) {
  return code.split("\n").map((line, at) => [at ? lineBreak() : null, line]);
}

// What an empty server says: where to send to, from each SDK.

import { html } from "./dom.js";
import { sessionToken } from "./server.js";

function samples(origin, host, port, token) {
  return [
    ["Browser", `mixpanel.init("${token}", {api_host: "${origin}"});\nmixpanel.track("Page View");`],
    ["Python", `consumer = mixpanel.BufferedConsumer(\n    events_url="${origin}/track", people_url="${origin}/engage",\n    import_url="${origin}/import", groups_url="${origin}/groups")\nmixpanel.Mixpanel("${token}", consumer).track("ana", "Page View")\nconsumer.flush()`],
    ["Node", `const mixpanel = Mixpanel.init("${token}",\n  {protocol: "http", host: "${host}", port: ${port}});\nmixpanel.track("Page View", {distinct_id: "ana"});`],
    ["Shell", `curl ${origin}/track -H 'content-type: application/json' \\\n  -d '[{"event": "Page View", "properties": {"token": "${token}", "distinct_id": "ana"}}]'`],
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
      shown.map(([name, code]) => html("figure", {}, html("figcaption", {}, name), html("pre", { tabindex: "0", "aria-label": name }, ...lines(code)))),
    ),
  ];
}

function lines(code) {
  return code.split("\n").flatMap((line, at) => (at ? [document.createTextNode("\n"), line] : [line]));
}

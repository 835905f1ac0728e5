// The answer of /harness/explain in sentences: what joined two ids, what failed to, and what would have to change.

import { count, html, id } from "./dom.js";

const EVENTS = { identify: "$identify", alias: "$create_alias", merge: "$merge", link: "an event with both ids" };
const MOST = 12;

export function answerOf(a, b, found, openEvent) {
  const event = (index) => eventButton(index, openEvent);
  if (b === "") return oneId(a, found, event);
  return found.same_user ? together(a, b, found, event) : apart(a, b, found, event);
}

function eventButton(index, openEvent) {
  const button = html("button", { type: "button", class: "event-link" }, `event ${index}`);
  button.addEventListener("click", () => openEvent(index));
  return button;
}

function together(a, b, found, event) {
  const links = found.path.map((link) => [event(link.index), ` (${EVENTS[link.kind] ?? link.kind}) joined `, ids(link.ids)]);
  return [
    html("p", { class: "verdict yes" }, id(a), " and ", id(b), " are one user."),
    links.length ? listed("ol", links) : html("p", {}, "They are one id."),
    largest(found.blast, event),
  ];
}

function apart(a, b, found, event) {
  const failed = [...found.refused.map((one) => [one, "refused"]), ...found.ignored.map((one) => [one, "ignored"])];
  const rejected = found.rejected.map((one) => [event(one.index), " names both, but was rejected: ", one.error]);
  const sentences = [...failed.map(([one, outcome]) => failedText(one, outcome, event)), ...rejected];
  const changes = found.changes.map((change) => [change.change, more(change)]);
  return [
    html("p", { class: "verdict no" }, id(a), " and ", id(b), " are two users."),
    sentences.length ? listed("ul", sentences) : html("p", {}, "Nothing ever connected them."),
    changes.length ? html("h3", {}, "They would be one user") : null,
    changes.length ? listed("ul", changes) : null,
    found.all_changes_tried ? null : html("p", { class: "quiet" }, "There are too many events around them to try every change."),
  ];
}

function failedText(one, outcome, event) {
  const reason = one.reason ? [": ", html("code", { class: "reason" }, one.reason)] : [];
  return [event(one.index), ` (${EVENTS[one.kind] ?? one.kind}) named `, ids(one.ids), `, but was ${outcome}`, reason];
}

function more(change) {
  const joined = change.also_joins.length ? `, with ids of other users: ${change.also_joins.slice(0, 3).join(", ")}` : "";
  const left = change.leaves.length ? `; ${change.leaves.slice(0, 3).join(", ")} would not belong to it any more` : "";
  return ` (${count(change.ids, "id")} would be one user${joined}${left})`;
}

function oneId(a, found, event) {
  const members = found.cluster.members;
  const lines = members
    .filter((member) => member.id !== a)
    .map((member) => [id(member.id), ...(member.index === null ? [] : [" since ", event(member.index), ` (${EVENTS[member.kind] ?? member.kind})`])]);
  const failed = [...found.refused.map((one) => failedText(one, "refused", event)), ...found.ignored.map((one) => failedText(one, "ignored", event))];
  return [
    html("p", { class: "verdict" }, id(a), " is in a cluster of ", html("b", {}, count(members.length, "id")), ". Canonical: ", id(found.cluster.canonical), "."),
    lines.length ? listed("ul", lines) : null,
    failed.length ? html("h3", {}, "Without effect") : null,
    failed.length ? listed("ul", failed) : null,
    found.blast ? largest([found.blast], event) : null,
  ];
}

function largest(blasts, event) {
  const most = [...blasts].sort((one, other) => other.ids - one.ids)[0];
  if (!most) return null;
  return html("p", { class: "quiet" }, "Most was joined by ", event(most.index), `: ${count(most.ids, "id")}, for good.`);
}

function ids(list) {
  return [...new Set(list)].filter(Boolean).flatMap((text, at) => (at ? [" and ", id(text)] : [id(text)]));
}

function listed(name, lines) {
  const rest = lines.length - MOST;
  return html(
    name,
    {},
    lines.slice(0, MOST).map((line) => html("li", {}, ...line)),
    rest > 0 ? html("li", { class: "quiet" }, `and ${rest.toLocaleString("en")} more`) : null,
  );
}

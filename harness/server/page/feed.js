// What arrived, newest first: a page of rows, each of which opens to what was sent and what became of it.

import { arrange, count, html, id, lineBreak } from "./dom.js";
import { hue } from "./drawing.js";
import { ask } from "./server.js";

const SIZE = 40;
const LONGEST = 20_000;
const EVENTS = { identify: "$identify", alias: "$create_alias", merge: "$merge", link: "both ids" };

export class Feed {
  constructor(parts, explain) {
    this.parts = parts;
    this.explain = explain;
    this.kind = "events";
    this.since = null;
    this.total = 0;
    this.opened = null;
    this.asked = 0;
    parts.kinds.addEventListener("change", (event) => this.#choose(event.target.value));
    parts.newest.addEventListener("click", () => this.#go(null));
    parts.newer.addEventListener("click", () => this.#go(this.since + SIZE >= this.total - SIZE ? null : this.since + SIZE));
    parts.older.addEventListener("click", () => this.#go(Math.max(0, (this.since ?? this.total - SIZE) - SIZE)));
  }

  async refresh() {
    const asked = (this.asked += 1);
    const kind = this.kind;
    const wanted = this.since === null ? { last: SIZE } : { since: this.since, limit: SIZE };
    const page = await ask(kind, wanted);
    if (asked !== this.asked) return;
    this.total = page.total;
    this.#render(kind, page[kind]);
  }

  async open(index) {
    this.kind = "events";
    this.parts.kinds.querySelector("input[value=events]").checked = true;
    this.since = Math.max(0, index - Math.floor(SIZE / 2));
    this.opened = index;
    await this.refresh();
    const row = this.parts.rows.querySelector(`[data-key="${index}"] summary`);
    row?.focus();
    row?.scrollIntoView({ block: "center" });
  }

  clear() {
    this.since = null;
  }

  #choose(kind) {
    this.kind = kind;
    this.since = null;
    this.parts.rows.replaceChildren();
    this.#soon();
  }

  #go(since) {
    this.since = since;
    this.#soon();
  }

  // Where the server does not answer, the page says so the next time it asks.
  #soon() {
    this.refresh().catch(() => {});
  }

  #render(kind, found) {
    const rows = [...found].reverse();
    const make = { events: eventRow, decisions: decisionRow, rejected: eventRow }[kind];
    arrange(
      this.parts.rows,
      rows.map((row) => ({
        key: String(row.index),
        version: JSON.stringify(row),
        make: (before) => this.#row(make, row, before),
      })),
    );
    const noun = { events: "row", decisions: "decision", rejected: "rejected row" }[kind];
    this.parts.count.textContent = count(this.total, noun);
    const { newest, newer, older, pager } = this.parts;
    const first = this.since ?? Math.max(0, this.total - SIZE);
    pager.hidden = this.total <= SIZE && this.since === null;
    newest.disabled = newer.disabled = this.since === null;
    older.disabled = first === 0 || kind === "rejected";
  }

  #row(make, row, before) {
    const isOpen = before?.querySelector("details")?.open || row.index === this.opened;
    const made = make(row, this.explain);
    const details = made.querySelector("details");
    if (isOpen && details) {
      details.open = true;
      this.opened = null;
    }
    return made;
  }
}

function eventRow(row, explain) {
  const isRejected = row.status === "rejected";
  const time = isRejected ? null : html("time", { datetime: row.arrived }, row.arrived.slice(11, 19));
  const name = typeof row.event === "string" && row.event.trim() ? row.event : html("i", {}, "no name");
  const summary = html(
    "summary",
    {},
    html("span", { class: "number" }, String(row.index)),
    html("bdi", { class: "event" }, name),
    time,
    html("span", { class: "outcome" }, isRejected ? badges(row) : [owner(row.distinct_id), badges(row)]),
  );
  const details = html("details", {}, summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(isRejected ? rejectedBody(row) : eventBody(row, explain));
  });
  return html("li", { class: `row ${row.status}` }, details);
}

function owner(distinctId) {
  if (distinctId === "") return html("span", { class: "nobody" }, "nobody");
  return html("span", { class: `owner ${hue(distinctId)}` }, html("i", { "aria-hidden": "true" }), id(distinctId));
}

function badges(row) {
  const made = [];
  if (row.status === "rejected") made.push(html("span", { class: "badge rejected" }, row.silent ? "dropped in silence" : "rejected"));
  if (row.status === "duplicate") made.push(html("span", { class: "badge duplicate" }, "duplicate"));
  if (row.status === "rejected") made.push(html("span", { class: "message" }, row.errors[0]?.message ?? ""));
  if (row.decision) made.push(verdict(row.decision));
  if (row.cautions?.length) made.push(html("span", { class: "badge caution" }, count(row.cautions.length, "warning")));
  return made;
}

function verdict(decision) {
  const reason = decision.reason ? [" ", html("code", {}, decision.reason)] : [];
  return html("span", { class: `badge ${decision.outcome}` }, `${EVENTS[decision.kind] ?? decision.kind} ${decision.outcome}`, reason);
}

function eventBody(row, explain) {
  const ids = row.decision ? row.decision.ids.filter(Boolean) : [];
  const why = html("button", { type: "button" }, ids.length > 1 ? "Explain these ids" : "Explain this id");
  why.addEventListener("click", () => explain(ids[0] ?? row.distinct_id, ids[1] ?? ""));
  return html(
    "div",
    { class: "body" },
    html(
      "dl",
      {},
      fact("User", id(row.distinct_id)),
      row.received_distinct_id === row.distinct_id ? null : fact("Arrived as", id(row.received_distinct_id)),
      fact("Route", `/${row.endpoint}`),
      fact("Happened", row.time),
      row.decision ? fact("Decision", verdict(row.decision), ` ${row.decision.description} (${row.decision.rule}, ${row.decision.evidence})`) : null,
      row.cautions.map((caution) => fact("Warning", caution.message)),
    ),
    source(row.properties),
    row.distinct_id === "" && ids.length === 0 ? null : html("p", { class: "buttons" }, why),
  );
}

function rejectedBody(row) {
  return html(
    "div",
    { class: "body" },
    html("ul", { class: "errors" }, row.errors.map((error) => html("li", {}, error.field ? [html("code", {}, error.field), " "] : null, error.message))),
    row.silent ? html("p", { class: "quiet" }, "The sender was answered as if it had been stored.") : null,
    row.raw === null ? null : source(row.raw),
  );
}

function fact(name, ...content) {
  return html("div", {}, html("dt", {}, name), html("dd", {}, ...content));
}

function source(value) {
  const text = JSON.stringify(value, null, 2) ?? "";
  const cut = text.length > LONGEST ? `${text.slice(0, LONGEST)}\n…` : text;
  // Line breaks are ours; whatever else can't be seen is spelled out.
  return html("pre", { tabindex: "0", "aria-label": "As it came" }, cut.split("\n").map((line, at) => [at ? lineBreak() : null, line]));
}

function decisionRow(row, explain) {
  const ids = row.ids.filter(Boolean);
  const why = html("button", { type: "button", class: "why" }, "Explain");
  why.addEventListener("click", () => explain(ids[0] ?? "", ids[1] ?? ""));
  return html(
    "li",
    { class: `row decision ${row.outcome}` },
    html(
      "div",
      { class: "line" },
      html("span", { class: "number" }, String(row.index)),
      html("span", { class: "outcome" }, verdict(row), html("span", { class: "ids" }, ids.flatMap((text, at) => (at ? [" – ", id(text)] : [id(text)])))),
      ids.length ? why : null,
    ),
  );
}

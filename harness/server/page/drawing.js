// One group of clusters as a drawing: a card for each cluster, its ids as nodes, arcs for what joined them on the left,
// and what failed to join clusters as dashed lines on the right, with the reason where the line arrives.

import { count, fitted, svg } from "./dom.js";

const ROW = 28;
const HEAD = 50;
const FOOT = 8;
const ALONE = 56;
const GAP = 14;
const LABEL = 32;
const LANE = 11;
const MOST_ARCS = 4;
const PREFIX_WIDTH = 60;

// Sizes and families as in page.css.
const SANS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif';
const MONO = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';
const TITLE = `600 13.5px ${SANS}`;
const NAME = `12.3px ${MONO}`;
const WORDS = `12px ${SANS}`;
const REASON = `11.5px ${MONO}`;
const WHY = `11.5px ${SANS}`;

const EVENTS = { identify: "$identify", alias: "$create_alias", merge: "$merge", link: "event with both ids" };

export function hue(text) {
  let number = 0x811c9dc5;
  for (const letter of text) number = Math.imul(number ^ letter.codePointAt(0), 0x01000193);
  return `c${(number >>> 0) % 8}`;
}

export function nameOf(link) {
  return EVENTS[link.kind] ?? link.kind;
}

export function linkText(link) {
  const times = link.times > 1 ? `, ${count(link.times, "time")}` : "";
  const reason = link.reason ? `: ${link.reason}` : "";
  return `${nameOf(link)} ${link.outcome} at event ${link.index}${times}${reason}`;
}

export function draw(group, width, idMerge) {
  const lanes = group.across.length;
  const cardWidth = width - (lanes ? 12 + Math.min(lanes, 6) * LANE : 1);
  const places = new Map();
  const arrivals = arrivalsOf(group);
  const cards = [];
  let y = 1;
  group.clusters.forEach((cluster, at) => {
    const labels = arrivals.get(at) ?? [];
    if (at > 0) y += GAP + labels.length * LABEL;
    cards.push(card(cluster, y, cardWidth, idMerge, places, at));
    y += cardHeight(cluster);
  });
  const inside = (arrivals.get("inside") ?? []).length;
  const height = y + (inside ? 6 + inside * LABEL : 0) + 1;
  const lines = across(group, arrivals, places, cardWidth, height);
  return svg(
    "svg",
    { class: "drawing", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": summary(group) },
    lines,
    cards,
  );
}

export function summary(group) {
  const who = group.clusters.map((cluster) => {
    const joined = cluster.links.map((link) => `${link.ids.join(" and ")} joined by event ${link.index}, ${nameOf(link)}`);
    return [`${cluster.canonical}: ${count(cluster.ids.length + cluster.hidden, "id")}`, ...joined].join("; ");
  });
  const failed = group.across.map((link) => `${link.ids.join(" and ")}: ${linkText(link)}`);
  return [...who, ...failed].join(". ");
}

// In original nobody can predict the canonical id, so a cluster goes by a user id where it has one.
function titleOf(cluster, idMerge) {
  const user = idMerge === "original" ? cluster.ids.find((each) => each.kind === "user") : undefined;
  return user?.id ?? cluster.canonical;
}

// An id that is alone needs no title: it is one.
function isAlone(cluster) {
  return cluster.ids.length === 1 && cluster.hidden === 0;
}

function headOf(cluster) {
  return isAlone(cluster) ? 6 : HEAD;
}

function cardHeight(cluster) {
  if (isAlone(cluster)) return ALONE;
  return HEAD + (cluster.ids.length + (cluster.hidden ? 1 : 0)) * ROW + FOOT;
}

// Where the label of each link stands: above the lower one of its two cards; under the last card inside of one.
function arrivalsOf(group) {
  const home = new Map();
  group.clusters.forEach((cluster, at) => cluster.ids.forEach((each) => home.set(each.id, at)));
  const arrivals = new Map();
  group.across.forEach((link, lane) => {
    const ends = [...new Set(link.ids)].filter((text) => home.has(text));
    const cards = ends.map((text) => home.get(text));
    const at = cards.length > 1 && Math.min(...cards) !== Math.max(...cards) ? Math.max(...cards) : "inside";
    if (!arrivals.has(at)) arrivals.set(at, []);
    arrivals.get(at).push({ link, lane, ends });
  });
  return arrivals;
}

function card(cluster, y, width, idMerge, places, at) {
  const height = cardHeight(cluster);
  const arcs = arcsOf(cluster);
  const dotX = 24 + Math.min(arcs.depth, MOST_ARCS) * 9;
  const events = count(cluster.events, "event");
  const ids = count(cluster.ids.length + cluster.hidden, "id");
  const rows = cluster.ids.map((each, place) => {
    const middle = y + headOf(cluster) + place * ROW + ROW / 2;
    places.set(each.id, { x: width, y: middle });
    const canonical = each.id === cluster.canonical && cluster.ids.length + cluster.hidden > 1;
    return node(each, dotX, middle, width, canonical);
  });
  const more = cluster.hidden
    ? svg("text", { class: "more", x: dotX + 16, y: y + HEAD + cluster.ids.length * ROW + 18 }, `and ${count(cluster.hidden, "more id")}`)
    : null;
  const facts = isAlone(cluster)
    ? svg("text", { class: "facts", x: dotX + 16, y: y + 45 }, events)
    : [
        svg("text", { class: "who", x: 20, y: y + 23 }, fitted(titleOf(cluster, idMerge), width - 36, TITLE)),
        svg("text", { class: "facts", x: 20, y: y + 40 }, `${ids} · ${events}`),
      ];
  return svg(
    "g",
    { class: `card ${hue(cluster.canonical)}`, "data-card": at },
    svg("rect", { class: "frame", x: 0.5, y: y + 0.5, width: width - 1, height: height - 1, rx: 10 }),
    svg("path", { class: "stripe", d: `M10 ${y + 0.5}h-1a8.5 8.5 0 0 0 -8.5 8.5v${height - 18}a8.5 8.5 0 0 0 8.5 8.5h1a6 6 0 0 1 -5 -6v${12 - height + 1}a6 6 0 0 1 5 -6z` }),
    facts,
    arcs.list.map((arc) => drawnArc(arc, cluster, y, dotX)),
    rows,
    more,
  );
}

// Short arcs nearest to the dots, longer ones around them, so that they don't cross more than they must.
function arcsOf(cluster) {
  const row = new Map(cluster.ids.map((each, place) => [each.id, place]));
  const list = [];
  for (const link of cluster.links) {
    const ends = [...new Set(link.ids)].map((text) => row.get(text)).sort((a, b) => a - b);
    for (let at = 1; at < ends.length; at += 1) list.push({ from: ends[at - 1], to: ends[at], link, depth: 1 });
  }
  list.sort((a, b) => a.to - a.from - (b.to - b.from));
  list.forEach((arc, at) => {
    for (const other of list.slice(0, at)) {
      if (other.from < arc.to && arc.from < other.to) arc.depth = Math.max(arc.depth, other.depth + 1);
    }
  });
  return { list, depth: Math.max(0, ...list.map((arc) => arc.depth)) };
}

function drawnArc(arc, cluster, y, dotX) {
  const top = y + HEAD + arc.from * ROW + ROW / 2;
  const bottom = y + HEAD + arc.to * ROW + ROW / 2;
  const reach = 4 + Math.min(arc.depth, MOST_ARCS) * 9;
  const bend = Math.min(reach, 9);
  const x = dotX - 6;
  const path = `M${x} ${top}h${bend - reach}a${bend} ${bend} 0 0 0 ${-bend} ${bend}V${bottom - bend}a${bend} ${bend} 0 0 0 ${bend} ${bend}h${reach - bend}`;
  return svg("path", { class: "link merged", d: path }, svg("title", {}, `${arc.link.ids.join(" and ")}: ${linkText(arc.link)}`));
}

function node(each, x, middle, width, canonical) {
  const what = { user: "user id", device: "device id", anonymous: "anonymous id" }[each.kind];
  const label = `${each.id}, ${what}${canonical ? ", canonical" : ""}`;
  const prefix = each.id.startsWith("$device:") ? "$device:" : "";
  const room = width - x - 16 - 28 - (prefix ? PREFIX_WIDTH : 0);
  const text = fitted(each.id.slice(prefix.length), room, NAME);
  return svg(
    "g",
    { class: `node ${each.kind}${canonical ? " canonical" : ""}`, role: "button", tabindex: "-1", "aria-pressed": "false", "aria-label": label },
    svg("title", {}, each.id),
    svg("rect", { class: "hit", x: x - 12, y: middle - ROW / 2 + 1, width: width - x + 4, height: ROW - 2, rx: 6 }),
    each.kind === "device"
      ? svg("rect", { class: "dot", x: x - 4.5, y: middle - 6.5, width: 9, height: 13, rx: 2.5 })
      : svg("circle", { class: "dot", cx: x, cy: middle, r: 5.5 }),
    canonical ? svg("circle", { class: "ring", cx: x, cy: middle, r: each.kind === "device" ? 10.5 : 9 }) : null,
    svg("text", { class: "name", x: x + 16, y: middle + 4.5 }, prefix ? svg("tspan", { class: "prefix" }, prefix) : null, text),
    svg("text", { class: "pick", x: width - 12, y: middle + 4.5, "aria-hidden": "true" }),
  );
}

function across(group, arrivals, places, cardWidth, height) {
  const parts = [];
  const tops = new Map();
  for (const [at, list] of arrivals) {
    const cardTop = at === "inside" ? null : Math.min(...group.clusters[at].ids.map((each) => places.get(each.id).y)) - headOf(group.clusters[at]) - ROW / 2;
    list.forEach(({ link, lane, ends }, place) => {
      const y = at === "inside" ? height - (list.length - place) * LABEL + 4 : cardTop - (list.length - place) * LABEL;
      const x = cardWidth + 8 + (Math.min(lane, 5) + 0.5) * LANE;
      const rows = ends.map((text) => ({ ...places.get(text), text })).sort((a, b) => a.y - b.y);
      const bottom = at === "inside" ? y + 9 : rows.at(-1)?.y;
      parts.push(line(link, rows, x, bottom, at === "inside"), mark(link, x, y + 9), words(link, y, cardWidth));
      tops.set(lane, y);
    });
  }
  return parts;
}

function line(link, rows, x, bottom, isInside) {
  if (rows.length === 0) return null;
  const top = rows[0].y;
  const paths = rows.map((row) => `M${row.x} ${row.y}H${x - 5}`);
  const arrow = link.outcome === "merged" ? svg("path", { class: "arrow", d: arrowHead(link, rows) }) : null;
  const ends = isInside || rows.length > 1 ? `M${x - 5} ${top}q5 0 5 5V${bottom - 5}${isInside ? "" : "q0 5 -5 5"}` : "";
  return svg(
    "g",
    { class: `link ${link.outcome}` },
    svg("path", { d: `${paths.join("")}${ends}` }),
    arrow,
    svg("title", {}, `${link.ids.join(" and ")}: ${linkText(link)}`),
  );
}

// In legacy an alias (the first id) leads to its target.
function arrowHead(link, rows) {
  const target = rows.find((row) => row.text === link.ids.at(-1)) ?? rows[0];
  return `M${target.x + 8} ${target.y - 4.5}l-7 4.5l7 4.5z`;
}

function mark(link, x, y) {
  if (link.outcome === "merged") return null;
  return svg(
    "g",
    { class: `mark ${link.outcome}`, "aria-hidden": "true" },
    svg("circle", { cx: x, cy: y, r: 7 }),
    svg("path", { d: link.outcome === "refused" ? `M${x - 2.8} ${y - 2.8}l5.6 5.6m0 -5.6l-5.6 5.6` : `M${x - 3} ${y}h6` }),
  );
}

function words(link, y, width) {
  const room = width - 14;
  const times = link.times > 1 ? ` (${count(link.times, "time")})` : "";
  const verb = link.outcome === "merged" ? "leads here from then on" : link.outcome;
  return svg(
    "g",
    { class: `words ${link.outcome}` },
    svg("title", {}, `${link.ids.join(" and ")}: ${linkText(link)}`),
    svg("text", { x: 10, y: y + 12 }, fitted(`${nameOf(link)} ${verb} at event ${link.index}${times}`, room, WORDS, { middle: false })),
    svg("text", { class: link.reason ? "reason" : "why", x: 10, y: y + 26 }, fitted(link.reason ?? link.why, room, link.reason ? REASON : WHY, { middle: false })),
  );
}

// The picture of all clusters: keeps what did not change, one tab stop with arrow keys inside, and which ids were chosen.

import { arrange, count, html } from "./dom.js";
import { draw } from "./drawing.js";

const NARROWEST = 300;
const SPACE = 20;

export class People {
  constructor(list, choose) {
    this.list = list;
    this.choose = choose;
    this.document = null;
    this.chosen = [];
    this.current = null;
    list.addEventListener("click", (event) => this.#activate(event.target.closest(".node")));
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("focusin", (event) => this.#focused(event.target.closest(".node")));
    new ResizeObserver(() => this.#render()).observe(list);
  }

  show(picture) {
    this.document = picture;
    this.#render();
  }

  mark(chosen) {
    this.chosen = chosen;
    this.#mark();
  }

  ids() {
    return (this.document?.groups ?? []).flatMap((group) => group.clusters.flatMap((cluster) => cluster.ids.map((each) => each.id)));
  }

  #render() {
    if (this.document === null || this.list.clientWidth === 0) return;
    const columns = Math.max(1, Math.floor((this.list.clientWidth + SPACE) / (NARROWEST + SPACE)));
    const groups = this.document.groups;
    const used = Math.max(1, Math.min(columns, groups.length));
    const width = Math.min(Math.floor((this.list.clientWidth - SPACE * (used - 1)) / used), 440);
    this.list.style.setProperty("--columns", String(used));
    const held = document.activeElement?.closest?.(".node") !== null && this.list.contains(document.activeElement);
    arrange(
      this.list,
      groups.map((group) => ({
        key: JSON.stringify(group.clusters.map((cluster) => cluster.canonical)),
        version: `${width} ${JSON.stringify(group)}`,
        make: () => this.#figure(group, width),
      })),
    );
    this.#settleFocus(held);
    this.#mark();
  }

  #figure(group, width) {
    const drawing = draw(group, width, this.document.id_merge);
    const ids = group.clusters.flatMap((cluster) => cluster.ids.map((each) => each.id));
    drawing.querySelectorAll(".node").forEach((node, at) => {
      node.harnessId = ids[at];
    });
    const more = group.hidden ? html("figcaption", {}, `${count(group.hidden, "more failed link")} not drawn`) : null;
    return html("figure", {}, drawing, more);
  }

  #nodes() {
    return [...this.list.querySelectorAll(".node")];
  }

  // One id of the picture is in the order of focus; after a change it is the same one, or the first.
  #settleFocus(held) {
    const nodes = this.#nodes();
    const current = nodes.find((node) => node.harnessId === this.current) ?? nodes[0];
    for (const node of nodes) node.setAttribute("tabindex", node === current ? "0" : "-1");
    if (held && !this.list.contains(document.activeElement)) current?.focus();
  }

  #mark() {
    for (const node of this.#nodes()) {
      const at = this.chosen.indexOf(node.harnessId);
      node.setAttribute("aria-pressed", at >= 0 ? "true" : "false");
      node.querySelector(".pick").textContent = at >= 0 ? "AB"[at] : "";
    }
  }

  #activate(node) {
    if (node) this.choose(node.harnessId);
  }

  #focused(node) {
    if (!node) return;
    for (const other of this.#nodes()) other.setAttribute("tabindex", other === node ? "0" : "-1");
    this.current = node.harnessId;
  }

  #key(event) {
    const nodes = this.#nodes();
    const at = nodes.indexOf(event.target.closest(".node"));
    if (at < 0) return;
    const places = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: nodes.length - 1 };
    if (event.key === "Enter" || event.key === " ") this.#activate(nodes[at]);
    else if (event.key in places) nodes[Math.min(Math.max(places[event.key], 0), nodes.length - 1)].focus();
    else return;
    event.preventDefault();
  }
}

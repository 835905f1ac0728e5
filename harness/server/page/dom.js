// Elements made from data. Text is only ever set as text, so nothing that an event carries becomes markup.

const SVG = "http://www.w3.org/2000/svg";

// What can't be seen, or turns text around: control and format characters, and halves of surrogate pairs.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

export function shown(text) {
  return String(text).replace(UNSEEN, (letter) => {
    const number = letter.codePointAt(0).toString(16);
    return number.length > 4 ? `\\u{${number}}` : `\\u${number.padStart(4, "0")}`;
  });
}

export function html(name, attributes, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function svg(name, attributes, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined && value !== false) {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) {
      node.append(child instanceof Node ? child : shown(child));
    }
  }
  return node;
}

export function id(text) {
  return html("bdi", {}, html("code", { class: "id" }, text));
}

export function lineBreak() {
  return document.createTextNode("\n");
}

// Puts nodes into a list with as few changes as possible: a node whose key stays keeps its focus and its state.
export function arrange(list, entries) {
  const before = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const kept = new Set();
  let place = list.firstElementChild;
  for (const { key, version, make } of entries) {
    let node = before.get(key);
    before.delete(key);
    if (node === undefined || node.dataset.version !== version) {
      const fresh = make(node);
      fresh.dataset.key = key;
      fresh.dataset.version = version;
      if (node !== undefined) {
        if (node === place) place = fresh;
        node.replaceWith(fresh);
      }
      node = fresh;
    }
    kept.add(node);
    if (node === place) place = node.nextElementSibling;
    else list.insertBefore(node, place);
  }
  for (const node of [...list.children]) if (!kept.has(node)) node.remove();
}

let ruler;

function width(text, font) {
  ruler ??= document.createElement("canvas").getContext("2d");
  ruler.font = font;
  return ruler.measureText(text).width;
}

// The longest beginning, or beginning and end around an ellipsis, that is no wider than some pixels.
export function fitted(text, pixels, font, { middle = true } = {}) {
  const whole = shown(text).slice(0, 2_000);
  if (width(whole, font) <= pixels) return whole;
  const letters = [...whole];
  const cut = (kept) => {
    const tail = middle ? Math.floor(kept / 2) : 0;
    return `${letters.slice(0, kept - tail).join("")}…${tail ? letters.slice(-tail).join("") : ""}`;
  };
  let [fits, exceeds] = [0, letters.length];
  while (exceeds - fits > 1) {
    const kept = (fits + exceeds) >> 1;
    if (width(cut(kept), font) <= pixels) fits = kept;
    else exceeds = kept;
  }
  return cut(fits);
}

export function count(number, noun, nouns = `${noun}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : nouns}`;
}

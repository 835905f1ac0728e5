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
    if (node === place) place = node.nextElementSibling;
    else list.insertBefore(node, place);
  }
  for (const node of before.values()) node.remove();
}

export function shortened(text, cells) {
  const letters = [...shown(text)];
  const widths = letters.map((letter) => (letter.codePointAt(0) >= 0x1100 ? 2 : 1));
  const total = widths.reduce((sum, width) => sum + width, 0);
  if (total <= cells) return letters.join("");
  const room = Math.max(2, cells - 1);
  const tail = Math.floor(room / 2);
  let front = 0;
  let used = 0;
  while (used + widths[front] <= room - tail) used += widths[front++];
  let back = letters.length;
  used = 0;
  while (back > front && used + widths[back - 1] <= tail) used += widths[--back];
  return `${letters.slice(0, front).join("")}…${letters.slice(back).join("")}`;
}

export function count(number, noun, nouns = `${noun}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? noun : nouns}`;
}

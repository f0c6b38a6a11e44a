// A text as Markdown, which may still grow.

import { el } from "./dom.js";
import { nodesOf } from "./markdown_nodes.js";
import { makeReader } from "./markdown_reader.js";

const READER = makeReader();

/** An element that shows a text as Markdown; `show` may be called again with the text grown, or with another one. */
export class Markdown {
  node = el("div", { class: "article", dir: "auto" });
  #shown = "";
  /** All blocks but the last are as they will be: up to this place nothing is read again, and so many nodes stay. */
  #settled = 0;
  #nodes = 0;
  /** Where links lead, by label, as the settled text defines it. */
  #known = {};
  /** The labels that the settled text asked for, and what text after it says of them. */
  #asked = new Set();
  #late = "[]";

  show(text) {
    if (text === this.#shown) return;
    if (!text.startsWith(this.#shown)) this.#begin();
    this.#shown = text;
    let read = this.#read(text);
    // A link may be defined after it is used, even far below.
    if (this.#lateOf(read.references) !== this.#late) {
      this.#begin();
      read = this.#read(text);
    }
    merge(this.node, this.#nodes, [...nodesOf(read.tokens).childNodes]);
    this.#settle(text, read);
    this.#late = this.#lateOf(read.references);
  }

  #begin() {
    this.#settled = this.#nodes = 0;
    this.#known = {};
    this.#asked = new Set();
    this.#late = "[]";
  }

  #read(text) {
    const references = { ...this.#known };
    const asked = new Set();
    const watched = new Proxy(references, {
      get: (all, label) => {
        asked.add(label);
        return all[label];
      },
    });
    return { tokens: READER.parse(text.slice(this.#settled), { references: watched }), references, asked };
  }

  #lateOf(references) {
    const isLate = ([label]) => this.#asked.has(label) && !(label in this.#known);
    return JSON.stringify(Object.entries(references).filter(isLate));
  }

  #settle(text, { tokens, references, asked }) {
    const blocks = tokens.filter((token) => token.level === 0 && token.nesting >= 0 && token.type !== "inline");
    const open = openBlock(blocks);
    const sure = open?.type === "table_open" ? 2 : 1; // Of a line that is not whole yet, nobody knows what it begins.
    if (!open || open === blocks[0] || placeOf(text, this.#settled, open.map[0] + sure) === null) return;
    const before = blocks.slice(0, blocks.indexOf(open));
    this.#settled = placeOf(text, this.#settled, open.map[0]);
    this.#nodes += before.filter((token) => token.type !== "reference_definition").length;
    for (const token of tokens.slice(0, tokens.indexOf(open))) {
      if (token.type === "reference_definition") this.#known[token.meta.label] = references[token.meta.label];
    }
    for (const label of asked) this.#asked.add(label);
  }
}

/** The first of the blocks that may still change: the last one, with a definition whose title it may become. */
function openBlock(blocks) {
  const [before, last] = [blocks.at(-2), blocks.at(-1)];
  const isTitle = last?.type === "paragraph_open" && before?.type === "reference_definition";
  return isTitle && before.map[1] === last.map[0] ? before : last;
}

/** Where the line with this number begins, counted from `place`; null when the text has not come so far. */
function placeOf(text, place, line) {
  const ends = /\r\n?|\n/g;
  ends.lastIndex = place;
  for (let passed = 0; passed < line; passed += 1) if (!ends.exec(text)) return null;
  return line ? ends.lastIndex : place;
}

/** Make these the children behind the first `kept`. What is the same or only grows stays, with a selection in it. */
function merge(parent, kept, fresh) {
  let old = kept ? parent.childNodes[kept] : parent.firstChild;
  for (const node of fresh) {
    const next = old?.nextSibling;
    if (!old) parent.append(node);
    else if (!mergeInto(old, node)) old.replaceWith(node);
    old = next;
  }
  while (old) {
    const next = old.nextSibling;
    old.remove();
    old = next;
  }
}

function mergeInto(old, fresh) {
  if (old.nodeName !== fresh.nodeName) return false;
  if (old.nodeType === Node.TEXT_NODE) {
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
    else old.data = fresh.data;
    return true;
  }
  if (!old.cloneNode(false).isEqualNode(fresh.cloneNode(false))) return false;
  merge(old, 0, [...fresh.childNodes]);
  return true;
}

// Markdown as DOM nodes, for a text that may still grow. Nothing but createElement and text nodes is used, so whatever a
// model writes stays text.

import { readBlocks } from "./blocks.js";
import { el } from "./dom.js";
import { inlineNodes } from "./inline.js";
import { t } from "./words.js";

/** An element that shows a text as Markdown; `show` may be called again with the text grown, or with another one. */
export class Markdown {
  node = el("div", { class: "article", dir: "auto" });
  #shown = "";
  #settled = 0;
  #nodes = 0;

  show(text) {
    if (text === this.#shown) return;
    if (!text.startsWith(this.#shown)) {
      this.node.replaceChildren();
      this.#settled = this.#nodes = 0;
    }
    this.#shown = text;
    // All blocks but the last are as they will be, and their nodes stay: selections and the reader's place survive.
    const blocks = readBlocks(text.slice(this.#settled));
    while (this.node.childNodes.length > this.#nodes) this.node.lastChild.remove();
    for (const block of blocks) this.node.append(nodeOf(block, false));
    // Of a line that is not whole yet, nobody knows what it begins.
    if (blocks.length > 1 && text.includes("\n", this.#settled + blocks.at(-1).start)) {
      this.#settled += blocks.at(-1).start;
      this.#nodes += blocks.length - 1;
    }
  }
}

function nodeOf(block, tight) {
  switch (block.kind) {
    case "heading":
      // The page's own heading is the first level.
      return el(`h${Math.min(6, block.level + 1)}`, {}, ...inlineNodes(block.text));
    case "rule":
      return el("hr");
    case "code":
      return el(
        "pre",
        { tabindex: "0", "aria-label": block.language ? t("text.code_in", { language: block.language }) : t("text.code") },
        el("code", {}, block.text),
      );
    case "quote":
      return el("blockquote", {}, ...block.blocks.map((inner) => nodeOf(inner, false)));
    case "list":
      return listNode(block);
    case "table":
      return tableNode(block);
    default:
      return tight ? el("span", {}, ...inlineNodes(block.text)) : el("p", {}, ...inlineNodes(block.text));
  }
}

function listNode({ ordered, number, loose, items }) {
  const start = ordered && number !== 1 ? String(number) : null;
  return el(
    ordered ? "ol" : "ul",
    { start },
    ...items.map((blocks) => el("li", {}, ...blocks.map((block) => nodeOf(block, !loose)))),
  );
}

function tableNode({ head, aligns, rows }) {
  const cell = (tag) => (text, column) =>
    el(
      tag,
      { class: aligns[column] ? `to-${aligns[column]}` : null, scope: tag === "th" ? "col" : null },
      ...inlineNodes(text),
    );
  // Wide tables scroll in their own box, which the keyboard must reach.
  return el(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": t("text.table") },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...head.map(cell("th")))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell("td"))))),
    ),
  );
}

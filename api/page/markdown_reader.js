// The Markdown reader: markdown-it with what the page needs beside CommonMark: tables, strikethrough, tasks, bare
// addresses as links, and emphasis as Chinese and Japanese write it. HTML is not read: it is shown as the text that it is.

import MarkdownIt from "./vendor/markdown_it.js";

const BARE = /^\/\/[^\s<>"'`（）【】《》，。；：！？、]+/;
const TASK = /^\[([ xX])\](?=\s)/;

export function makeReader() {
  const reader = new MarkdownIt({ linkify: true });
  // Definitions of links stay among the tokens: a text that grows must know where they are.
  reader.disable("strip_references");
  // Which links are safe to follow is decided where they are made.
  reader.validateLink = () => true;
  reader.inline.State = WideState;
  reader.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
  for (const schema of ["ftp:", "//", "mailto:"]) reader.linkify.add(schema, null);
  for (const schema of ["http:", "https:"]) reader.linkify.add(schema, { validate: bareLength });
  reader.core.ruler.after("inline", "tasks", markTasks);
  reader.core.ruler.push("languages", ({ tokens }) => {
    for (const token of tokens) if (token.type === "fence") token.info = reader.utils.unescapeAll(token.info);
  });
  return reader;
}

/** How long the address is that begins behind its schema. */
function bareLength(text, place) {
  let found = BARE.exec(text.slice(place, place + 2000))?.[0].replace(/[.,;:!?*_~]+$/, "") ?? "";
  if (found.endsWith(")") && !found.includes("(")) found = found.slice(0, -1);
  return found.length > 2 ? found.length : 0;
}

/** Chinese and Japanese put no space around emphasis: **“词”**是 would never close by the rules made for Latin. */
class WideState extends MarkdownIt.StateInline {
  scanDelims(start, canSplitWord) {
    const found = super.scanDelims(start, canSplitWord);
    const before = this.src[start - 1] ?? " ";
    const after = this.src[start + found.length] ?? " ";
    if (canSplitWord && !/\s/.test(before + after)) {
      found.can_open ||= isWide(before);
      found.can_close ||= isWide(after);
    }
    return found;
  }
}

const isWide = (char) => char >= "\u2e80";

function markTasks({ tokens }) {
  tokens.forEach((token, place) => {
    if (token.type !== "inline" || tokens[place - 2]?.type !== "list_item_open") return;
    const [first] = token.children;
    if (first?.type !== "text") return;
    first.content = first.content.replace(TASK, (_, mark) => (mark === " " ? "☐" : "☑"));
  });
}

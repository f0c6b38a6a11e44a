// Markdown, second half: emphasis, code and links inside a block, as DOM nodes. No HTML is read: what looks like it is
// shown as the text that it is.

import { el } from "./dom.js";
import { t } from "./words.js";

const LONGEST = 20000;
/** Longer runs are shown as they are: time grows with the square of the marks in one block. */
const PUNCTUATION = /[\p{P}\p{S}]/u;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const BARE = /^https?:\/\/[^\s<>"'`（）【】《》，。；：！？、]+/;

/** The nodes of a text. */
export function inlineNodes(text, { links = true } = {}) {
  if (text.length > LONGEST) return [text];
  return joined(emphasised(piecesOf(text, links)));
}

/** A link that is safe to follow, or null. */
function safeLink(target) {
  let url;
  try {
    url = new URL(target);
  } catch {
    return null; // relative ones would lead into this page
  }
  return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
}

function linkTo(href, children) {
  return el("a", { href, rel: "noopener noreferrer nofollow", target: "_blank" }, ...children);
}

/** The text as pieces: strings, nodes, and runs of marks that may open or close emphasis. */
function piecesOf(text, links) {
  const ticks = tickRuns(text);
  const closing = links ? brackets(text, ticks) : new Map();
  const pieces = [];
  let plain = "";
  const put = (piece) => {
    if (plain) pieces.push(plain);
    plain = "";
    pieces.push(piece);
  };
  for (let place = 0; place < text.length;) {
    const char = text[place];
    if (char === "\\" && place + 1 < text.length) {
      if (text[place + 1] === "\n") put(el("br"));
      else plain += ESCAPABLE.test(text[place + 1]) ? text[place + 1] : text.slice(place, place + 2);
      place += 2;
    } else if (char === "`") {
      const run = ticks.get(place);
      if (run.end === null) plain += text.slice(place, place + run.length);
      else put(el("code", {}, codeText(text.slice(place + run.length, run.end))));
      place = run.end === null ? place + run.length : run.end + run.length;
    } else if ((char === "[" || (char === "!" && text[place + 1] === "[")) && links) {
      const link = linkAt(text, place + (char === "!" ? 1 : 0), closing, char === "!");
      if (link) put(link.node);
      else plain += char;
      place = link ? link.end : place + 1;
    } else if (links && (char === "<" || char === "h")) {
      const link = bareLinkAt(text, place);
      if (link) put(link.node);
      else plain += char;
      place = link ? link.end : place + 1;
    } else if (char === "*" || char === "_" || char === "~") {
      const run = runAt(text, place);
      if (char === "~" && run.length !== 2) plain += text.slice(place, place + run.length);
      else put(run);
      place += run.length;
    } else if (char === "\n") {
      if (/ {2,}$/.test(plain)) {
        plain = plain.trimEnd();
        put(el("br"));
      } else plain += "\n";
      place += 1;
    } else {
      plain += char;
      place += 1;
    }
  }
  if (plain) pieces.push(plain);
  return pieces;
}

function codeText(text) {
  const line = text.replaceAll("\n", " ");
  return line.length > 2 && line.startsWith(" ") && line.endsWith(" ") && line.trim() ? line.slice(1, -1) : line;
}

/** Each run of backticks, with its length and where the run that closes it begins. */
function tickRuns(text) {
  const runs = [...text.matchAll(/`+/g)];
  const next = new Map();
  const found = new Map();
  for (const run of runs.reverse()) {
    const length = run[0].length;
    found.set(run.index, { length, end: next.get(length) ?? null });
    next.set(length, run.index);
  }
  return found;
}

/** For each opening bracket the place of the one that closes it. */
function brackets(text, ticks) {
  const open = [];
  const closing = new Map();
  for (let place = 0; place < text.length; place += 1) {
    if (text[place] === "\\") place += 1;
    else if (text[place] === "`") {
      const run = ticks.get(place);
      place = (run?.end ?? place) + (run?.length ?? 1) - 1;
    } else if (text[place] === "[") open.push(place);
    else if (text[place] === "]" && open.length) closing.set(open.pop(), place);
  }
  return closing;
}

function linkAt(text, place, closing, isImage) {
  const end = closing.get(place);
  if (end === undefined || text[end + 1] !== "(") return null;
  const stop = targetEnd(text, end + 2);
  if (stop === null) return null;
  const target = /^\s*(?:<([^<>\n]*)>|(\S*))(?:\s+["'(].*)?\s*$/s.exec(text.slice(end + 2, stop));
  if (!target) return null;
  const words = inlineNodes(text.slice(place + 1, end), { links: false });
  // Nothing is loaded from elsewhere: an image is a link to it.
  const shown = isImage ? [t("text.image"), ...words] : words;
  const href = safeLink(target[1] ?? target[2]);
  return {
    node: href
      ? linkTo(href, shown)
      : el("span", { class: "no-link", title: t("text.no_link") }, ...shown),
    end: stop + 1,
  };
}

function targetEnd(text, place) {
  let depth = 0;
  for (let at = place; at < Math.min(text.length, place + 4000); at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "(") depth += 1;
    else if (text[at] === ")" && depth-- === 0) return at;
  }
  return null;
}

function bareLinkAt(text, place) {
  if (text[place] === "<") {
    const inside = /^<([^\s<>]{3,2000})>/.exec(text.slice(place, place + 2002));
    const mail = inside && /^[^\s@:]+@[^\s@]+\.[^\s@]+$/.test(inside[1]);
    const href =
      inside && /^(https?:|mailto:)/i.test(inside[1])
        ? safeLink(inside[1])
        : mail
          ? safeLink(`mailto:${inside[1]}`)
          : null;
    return href ? { node: linkTo(href, [inside[1]]), end: place + inside[0].length } : null;
  }
  if (!text.startsWith("http", place) || /\w/.test(text[place - 1] ?? "")) return null;
  let found = BARE.exec(text.slice(place, place + 2000))?.[0].replace(/[.,;:!?*_~]+$/, "");
  if (found?.endsWith(")") && !found.includes("(")) found = found.slice(0, -1);
  const href = found ? safeLink(found) : null;
  return href ? { node: linkTo(href, [found]), end: place + found.length } : null;
}

function runAt(text, place) {
  const char = text[place];
  let end = place;
  while (text[end] === char) end += 1;
  const before = text[place - 1] ?? " ";
  const after = text[end] ?? " ";
  const left =
    !/\s/.test(after) && (!PUNCTUATION.test(after) || /\s/.test(before) || PUNCTUATION.test(before) || isWide(before));
  const right =
    !/\s/.test(before) && (!PUNCTUATION.test(before) || /\s/.test(after) || PUNCTUATION.test(after) || isWide(after));
  const inWord = char === "_" && left && right;
  return {
    char,
    length: end - place,
    opens: left && !(inWord && !PUNCTUATION.test(before)),
    closes: right && !(inWord && !PUNCTUATION.test(after)),
  };
}

// Chinese and Japanese put no space around emphasis: **“词”**是 would never close by the rules made for Latin.
const isWide = (char) => char >= "\u2e80";

/** Join runs that open with those that close them; what finds no partner stays text. */
function emphasised(pieces) {
  const isRun = (piece) => typeof piece === "object" && !(piece instanceof Node);
  for (let closer = 0; closer < pieces.length; closer += 1) {
    const run = pieces[closer];
    if (!isRun(run) || !run.closes) continue;
    let opener = closer - 1;
    while (opener >= 0 && !(isRun(pieces[opener]) && pieces[opener].opens && pieces[opener].char === run.char))
      opener -= 1;
    if (opener < 0) continue;
    const other = pieces[opener];
    const used = run.length >= 2 && other.length >= 2 ? 2 : 1;
    const tag = run.char === "~" ? "del" : used === 2 ? "strong" : "em";
    const inner = joined(pieces.slice(opener + 1, closer));
    const left = [
      { ...other, length: other.length - used },
      el(tag, {}, ...inner),
      { ...run, length: run.length - used },
    ].filter((piece) => !isRun(piece) || piece.length > 0);
    pieces.splice(opener, closer - opener + 1, ...left);
    // Look again at what is left of the closing run, or go on behind the new node.
    closer = opener + (other.length > used ? 1 : 0);
  }
  return pieces;
}

function joined(pieces) {
  const nodes = [];
  for (const piece of pieces) {
    const shown = typeof piece === "object" && !(piece instanceof Node) ? piece.char.repeat(piece.length) : piece;
    if (typeof shown === "string" && typeof nodes.at(-1) === "string") nodes[nodes.length - 1] += shown;
    else nodes.push(shown);
  }
  return nodes;
}

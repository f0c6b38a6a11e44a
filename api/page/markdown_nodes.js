// The tokens of the Markdown reader as DOM nodes. Nothing but createElement and text nodes is used, so whatever a model
// writes stays text.

import { el } from "./dom.js";
import { t } from "./words.js";

/** A fragment with the nodes of these tokens. */
export function nodesOf(tokens) {
  return fill(document.createDocumentFragment(), tokens);
}

function fill(root, tokens) {
  const open = [root];
  for (const token of tokens) {
    const parent = open.at(-1);
    if (token.type === "inline") fill(parent, token.children);
    else if (token.nesting < 0) open.pop();
    else if (token.nesting > 0) open.push(elementOf(token, parent));
    else parent.append(...leafOf(token, open));
  }
  return root;
}

/** The element that a token opens, put into its parent. */
function elementOf(token, parent) {
  const made = opened(token);
  parent.append(token.type === "table_open" ? wide(made) : made);
  return made;
}

function opened(token) {
  switch (token.type) {
    case "heading_open":
      // The page's own heading is the first level.
      return el(`h${Math.min(6, Number(token.tag[1]) + 1)}`);
    case "paragraph_open":
      return el(token.hidden ? "span" : "p"); // hidden: in a list whose items stand close together
    case "ordered_list_open":
      return el("ol", { start: token.attrGet("start") });
    case "link_open":
      return linkTo(token.attrGet("href"), token.attrGet("title"));
    case "s_open":
      return el("del");
    case "th_open":
    case "td_open":
      return el(token.tag, { class: alignOf(token), scope: token.tag === "th" ? "col" : null });
    default:
      return el(token.tag);
  }
}

function leafOf(token, open) {
  switch (token.type) {
    case "text":
      return token.content ? [token.content] : [];
    case "softbreak":
      return ["\n"];
    case "code_inline":
      return [el("code", {}, token.content)];
    case "fence":
    case "code_block":
      return [codeOf(token)];
    case "image":
      return imageOf(token, open);
    case "reference_definition":
      return [];
    default:
      return [el(token.tag)]; // hr and br
  }
}

function codeOf(token) {
  const language = token.info.trim().split(/\s+/)[0];
  const label = language ? t("markdown.code.of", { language }) : t("markdown.code");
  return el("pre", { tabindex: "0", "aria-label": label }, el("code", {}, token.content.replace(/\n$/, "")));
}

/** Nothing is loaded from elsewhere: an image is a link to it, or words where it stands in a link already. */
function imageOf(token, open) {
  const words = t("markdown.image", { alt: textOf(token.children) });
  if (open.some((node) => node.nodeName === "A" || node.className === "no-link")) return [words];
  const link = linkTo(token.attrGet("src"), token.attrGet("title"));
  link.append(words);
  return [link];
}

function textOf(tokens) {
  return tokens
    .map((token) => (token.children ? textOf(token.children) : token.type.endsWith("break") ? "\n" : token.content))
    .join("");
}

function linkTo(target, title) {
  const href = safeLink(target);
  if (href) return el("a", { href, title, rel: "noopener noreferrer nofollow", target: "_blank" });
  const where = title ? `${target} "${title}"` : target;
  return el("span", { class: "no-link", title: t("markdown.no_link", { target: where }) });
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

function alignOf(token) {
  const side = token.attrGet("style")?.replace("text-align:", "");
  return side && side !== "left" ? `to-${side}` : null;
}

/** Wide tables scroll in their own box, which the keyboard must reach. */
function wide(table) {
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": t("markdown.table") }, table);
}

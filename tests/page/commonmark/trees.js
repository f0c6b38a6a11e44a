// What a piece of Markdown means, as nested lists: of the DOM that the page builds, and of the HTML that the specification
// expects. Both come out alike only if elements, text, links, titles and languages are the same.

const BLOCKS = new Set(["BODY", "DIV", "BLOCKQUOTE", "UL", "OL", "LI"]);

/** Of what the page built. */
export function treeOfPage(node) {
  return children(node, (element) => {
    const { tagName: tag, className: kind } = element;
    if (tag === "PRE") return ["pre", element.getAttribute("aria-label").replace(/^Code(: )?/, ""), element.textContent];
    if (tag === "A") return ["link", element.getAttribute("href"), element.title, ...treeOfPage(element)];
    if (kind === "no-link") return ["link", element.title.replace(/^.*? are followed\. /, ""), "", ...treeOfPage(element)];
    if (tag === "SPAN") return treeOfPage(element); // in a list whose items stand close together
    return [name(element), ...treeOfPage(element)];
  });
}

/** Of the expected HTML, with what the page does on purpose: its own first heading, safe links alone, no images. */
export function treeOfSpec(node, inLink = false) {
  return children(node, (element) => {
    const { tagName: tag } = element;
    if (tag === "PRE") {
      const language = (element.firstElementChild?.className ?? "").replace(/^language-/, "");
      return ["pre", language, element.textContent.replace(/\n$/, "")];
    }
    if (tag === "A") return link(element.getAttribute("href"), element.title, treeOfSpec(element, true));
    if (tag === "IMG") {
      const words = `image: ${element.alt}`;
      return inLink ? [words] : link(element.getAttribute("src"), element.title, [words]);
    }
    const heading = /^H([1-6])$/.exec(tag);
    if (heading) return [`h${Math.min(6, Number(heading[1]) + 1)}`, ...treeOfSpec(element, inLink)];
    return [name(element), ...treeOfSpec(element, inLink)];
  });
}

function link(target, title, inner) {
  const scheme = /^(https?|mailto):/i.exec(target);
  if (scheme && URL.canParse(target)) return ["link", new URL(target).href, title, ...inner];
  return ["link", title ? `${target} "${title}"` : target, "", ...inner];
}

const name = (element) =>
  element.tagName.toLowerCase() + (element.hasAttribute("start") ? ` ${element.getAttribute("start")}` : "");

/** The children, where texts that stand side by side are one, and line ends at the edge of blocks count for nothing. */
function children(node, treeOf) {
  const found = [];
  const put = (item) => {
    if (typeof item === "string" && typeof found.at(-1) === "string") found[found.length - 1] += item;
    else found.push(item);
  };
  for (const child of node.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) {
      put(child.previousSibling?.nodeName === "BR" ? child.data.replace(/^\n/, "") : child.data);
    }
    if (child.nodeType === Node.ELEMENT_NODE) {
      const tree = treeOf(child);
      const isInner = child.tagName === "SPAN" && child.className !== "no-link" ? tree : null;
      if (isInner || (tree.length === 1 && child.tagName === "IMG")) tree.forEach(put);
      else put(tree);
    }
  }
  if (!BLOCKS.has(node.tagName)) return found;
  return found
    .map((item) => (typeof item === "string" ? item.replace(/^\n+|\n+$/g, "") : item))
    .filter((item) => item !== "");
}

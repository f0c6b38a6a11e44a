// Downloads. A link can send no key; with one, the file is read first and then saved.

import { el } from "./dom.js";
import { heldKey } from "./key.js";
import { callFile } from "./net.js";

/** A link that saves `href` (or what is made of it later) under `name`. `onFault(error)` is told what went wrong. */
export function downloadLink(href, name, label, words, onFault) {
  const link = el("a", { class: "button", href, download: name, "aria-label": label, onclick: save }, words);
  let busy = false;

  async function save(event) {
    if (heldKey() === null) return; // a plain link: the browser saves it while it comes
    event.preventDefault();
    if (busy) return;
    busy = true;
    link.setAttribute("aria-busy", "true");
    try {
      const { file, named } = await callFile(link.getAttribute("href"));
      const url = URL.createObjectURL(file);
      el("a", { href: url, download: named ?? name }).click();
      // Not at once: the browser has only begun to read it.
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    } catch (error) {
      onFault(error);
    } finally {
      busy = false;
      link.removeAttribute("aria-busy");
    }
  }
  return link;
}

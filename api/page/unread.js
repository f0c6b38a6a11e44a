// What is said where something could not be read, or nothing was found.

import { el } from "./dom.js";
import { changeKey, heldKey } from "./key.js";
import { refused } from "./refusals.js";
import { t } from "./words.js";

/** What a view shows when what it is about could not be read; `again()` tries once more. */
export function unread(error, again) {
  if (error.status !== 404) return refused(error, el("button", { type: "button", onclick: again }, t("again")));
  return refused(error, otherProject(), el("p", {}, el("a", { href: "#/" }, t("crumbs.home"))));
}

/** What is not found with one key may be there with that of another project; nothing without a key, which sees all. */
export function otherProject() {
  if (heldKey() === null) return null;
  return el("p", {}, t("key.project"), " ", el("button", { type: "button", onclick: changeKey }, t("key.change")));
}

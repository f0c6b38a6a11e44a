// A key sees the work of its project alone. What is not found with it may be there with another one.

import { el } from "./dom.js";
import { changeKey, heldKey } from "./key.js";
import { t } from "./words.js";

/** What to say where nothing was found; nothing without a key, as everything is seen then. */
export function otherProject() {
  if (heldKey() === null) return null;
  return el(
    "p",
    {},
    t("key.project"),
    " ",
    el("button", { type: "button", onclick: changeKey }, t("key.change")),
  );
}

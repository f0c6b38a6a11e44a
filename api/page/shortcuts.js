// Keys that work wherever nobody is typing: j and k go to the next and the previous article, ? lists the keys.

import { el, showDialog } from "./dom.js";
import { t } from "./words.js";

const KEYS = ["j", "k", "arrows", "send", "?"];

/** Listen. `viewOf()` gives the view that is shown: its `step(by)` goes to another article. */
export function wireShortcuts(viewOf) {
  addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || isTyped(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") showKeys();
    else if (event.key === "j") viewOf().step?.(1);
    else if (event.key === "k") viewOf().step?.(-1);
    else return;
    event.preventDefault();
  });
}

const isTyped = (target) => target instanceof Element && target.closest("input, textarea, select") !== null;

function showKeys() {
  const close = el("button", { type: "button", class: "main", autofocus: true, onclick: () => dialog.close() }, t("close"));
  const dialog = el(
    "dialog",
    { "aria-labelledby": "keys-title" },
    el("h2", { id: "keys-title" }, t("keys.title")),
    el(
      "dl",
      { class: "rows" },
      ...KEYS.map((key) => el("div", {}, el("dt", {}, el("kbd", {}, t(`keys.${key}.key`))), el("dd", {}, t(`keys.${key}`)))),
    ),
    el("p", { class: "buttons" }, close),
  );
  showDialog(dialog);
}

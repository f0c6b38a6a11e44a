// Delete what has ended, for good, after a question.

import { act, ask, el, say } from "./dom.js";
import { call } from "./net.js";
import { go } from "./router.js";
import { t } from "./words.js";

/** A button for `path`; `kind` is "batch" or "job", `whereTo()` the route to go to then. `onFault(error)` is told, or null. */
export function deleteButton({ path, kind, whereTo, onFault }) {
  const button = el("button", { type: "button", class: "grave-quiet", hidden: true, onclick: remove }, t("delete"));

  async function remove() {
    if (!(await ask(t(`delete.${kind}.question`), t("delete.yes"), t("delete.no")))) return;
    if (!(await act(button, () => call(path, { method: "DELETE" }), onFault))) return;
    say(t("delete.done"));
    go(whereTo());
  }

  return button;
}

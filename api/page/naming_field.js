// Which column of a table names the articles.

import { el, menu, put } from "./dom.js";
import { t } from "./words.js";

/** The node, and what it does: `offer(columns)`, `value()`, and `reset()` for another file. */
export function namingField(changed) {
  const choice = menu({ id: "naming", onchange: changed, "aria-describedby": "naming-hint" }, []);
  const hint = el("p", { id: "naming-hint", class: "hint" });
  const node = el(
    "div",
    { class: "field apart", hidden: true },
    el("label", { for: "naming" }, t("form.naming")),
    choice,
    hint,
  );
  return {
    node,
    value: () => choice.value,
    reset() {
      node.hidden = true;
      put(choice);
    },
    /** `custom_id` names them where there is one, or another column that is chosen. */
    offer(columns) {
      const before = columns.includes(choice.value) ? choice.value : "";
      const own = columns.includes("custom_id");
      const others = columns.filter((name) => name !== "custom_id").map((name) => [name, name]);
      const choices = [["", own ? "custom_id" : t("form.naming.none")], ...others];
      put(choice, ...choices.map(([value, words]) => el("option", { value }, words)));
      choice.value = before;
      put(hint, own || before ? "" : t("form.naming.hint"));
      node.hidden = columns.length < 2; // lines of prompts are no table
    },
  };
}

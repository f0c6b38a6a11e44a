// The part of the form that says which column of a table names the articles.

import { el, menu, put } from "./dom.js";
import { t } from "./words.js";

/** The node, `column()` (empty: `custom_id`, or none), and `offer(names)` of the columns that there are. */
export function namingPart(onchange) {
  const naming = menu({ id: "naming", onchange, "aria-describedby": "naming-hint" }, []);
  const hint = el("p", { id: "naming-hint", class: "hint" });
  const node = el("div", { class: "field apart", hidden: true }, el("label", { for: "naming" }, t("form.naming")), naming, hint);
  return {
    node,
    column: () => naming.value,
    offer(names) {
      const before = names.includes(naming.value) ? naming.value : "";
      const own = names.includes("custom_id");
      const others = names.filter((name) => name !== "custom_id").map((name) => [name, name]);
      const choices = [["", own ? "custom_id" : t("form.naming.none")], ...others];
      put(naming, ...choices.map(([value, words]) => el("option", { value }, words)));
      naming.value = before;
      put(hint, own || before ? "" : t("form.naming.hint"));
      node.hidden = names.length < 2; // lines of prompts are no table
    },
  };
}

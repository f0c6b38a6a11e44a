import { el } from "./dom.js";
import { otherProject } from "./other_project.js";
import { refused } from "./refusals.js";
import { t } from "./words.js";

/** What a view shows when what it is about could not be read; `again()` tries once more. */
export function unread(error, again) {
  const way =
    error.status === 404
      ? el("p", {}, el("a", { href: "#/" }, t("crumbs.home")))
      : el("button", { type: "button", onclick: again }, t("again"));
  return refused(error, ...[error.status === 404 ? otherProject() : null, way].filter(Boolean));
}

import { el } from "./dom.js";
import { pieces, t } from "./words.js";

/** What is shown for an address that leads nowhere. */
export function missingView() {
  return {
    title: () => t("missing.title"),
    node: el(
      "section",
      { class: "empty" },
      el("h1", {}, t("missing.heading")),
      el("p", {}, pieces("missing.words", { home: el("a", { href: "#/" }, t("crumbs.home")) })),
    ),
  };
}

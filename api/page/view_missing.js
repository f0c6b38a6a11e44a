import { el } from "./dom.js";
import { t } from "./words.js";

/** What is shown for an address that leads nowhere. */
export function missingView() {
  return {
    title: () => "Not found",
    node: el(
      "section",
      { class: "empty" },
      el("h1", {}, "There is nothing here"),
      el("p", {}, "There is no page at this address. ", el("a", { href: "#/" }, t("crumbs.home")), " is still there."),
    ),
  };
}

// The theme: the system's, or the one chosen here.

import { recall, remember } from "./kept.js";
import { t } from "./words.js";

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const SIGN = { auto: "◐", light: "○", dark: "●" };

/** Make the button go through the system's theme, light and dark. */
export function wireTheme(button) {
  let chosen = recall("theme") ?? "auto";
  if (!(chosen in NEXT)) chosen = "auto";
  const show = () => {
    if (chosen === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    button.textContent = SIGN[chosen];
    button.title = t("theme.is", { theme: t(`theme.${chosen}`) });
    button.setAttribute("aria-label", t("theme.change", { theme: t(`theme.${chosen}`), next: t(`theme.next.${NEXT[chosen]}`) }));
  };
  button.addEventListener("click", () => {
    chosen = NEXT[chosen];
    remember("theme", chosen === "auto" ? null : chosen);
    show();
  });
  show();
}

// The theme: the system's, or the one chosen here.

import { recall, remember } from "./kept.js";

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
    const words = chosen === "auto" ? "as the system" : chosen;
    button.title = `Theme: ${words}`;
    button.setAttribute(
      "aria-label",
      `Theme: ${words}. Change to ${NEXT[chosen] === "auto" ? "the system's" : NEXT[chosen]}.`,
    );
  };
  button.addEventListener("click", () => {
    chosen = NEXT[chosen];
    remember("theme", chosen === "auto" ? null : chosen);
    show();
  });
  show();
}

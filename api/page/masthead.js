// The words around the view: index.html names their keys and has none itself. And the menus of language and theme.

import { el, put } from "./dom.js";
import { recall, remember } from "./kept.js";
import { language, t } from "./words.js";

const LANGUAGES = { en: "English", zh: "简体中文" };
const NEXT = { auto: "light", light: "dark", dark: "auto" };
const SIGN = { auto: "◐", light: "○", dark: "●" };

/** Give every element with `data-words` its text, and every one with `data-label` its name. */
export function fillWords() {
  for (const element of document.querySelectorAll("[data-words]")) element.textContent = t(element.dataset.words);
  for (const element of document.querySelectorAll("[data-label]"))
    element.setAttribute("aria-label", t(element.dataset.label));
}

/** Make the menu change the language: it is remembered, and the page is read anew in it. */
export function wireLanguage(menu) {
  const options = Object.entries(LANGUAGES).map(([value, name]) =>
    el("option", { value, lang: value, selected: value === language }, name),
  );
  put(menu, ...options);
  menu.addEventListener("change", () => {
    remember("language", menu.value);
    location.reload();
  });
}

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

// The words around the view: index.html names their keys and has none itself. And the menu of languages.

import { el, put } from "./dom.js";
import { remember } from "./kept.js";
import { language, t } from "./words.js";

const LANGUAGES = { en: "English", zh: "简体中文" };

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

// What a finished text must satisfy, and what becomes of one that does not.

import { el, field, menu } from "./dom.js";
import { locale, t } from "./words.js";

const COUNTS = ["min_words", "max_words"];
const TEXTS = ["must_include", "must_not_include"];
const LANGUAGES = ["en", "zh", "zh-Hant", "ja", "ko", "de", "fr", "es", "pt", "it", "ru", "ar"];
const THEN = ["fail", "retry", "repair"];

/** The fields. `values()` is what is typed, for a draft; `read()` gives `{body}` or `{fault, at}`. */
export function acceptPart(draft, changed) {
  const counts = COUNTS.map((name) => [
    name,
    el("input", { id: name, type: "number", inputmode: "numeric", min: "0", step: "1", value: draft[name], oninput: changed }),
  ]);
  const texts = TEXTS.map((name) => [
    name,
    el("textarea", { id: name, rows: "2", value: draft[name], oninput: changed, "aria-describedby": "accept-hint" }),
  ]);
  const names = new Intl.DisplayNames([locale], { type: "language" });
  const languages = LANGUAGES.map((code) => [code, code === "zh" ? t("accept.text_language.zh") : names.of(code)]);
  const language = choice("text_language", [["", t("accept.text_language.any")], ...languages]);
  const endsWell = el("input", { id: "ends_well", type: "checkbox", checked: draft.ends_well === true, onchange: changed });
  const then = choice("on_reject", THEN.map((way) => [way, t(`accept.then.${way}`)]));

  function choice(id, options) {
    return menu({ id, onchange: changed }, options, draft[id]);
  }

  const values = () => ({
    ...Object.fromEntries([...counts, ...texts].map(([name, input]) => [name, input.value])),
    text_language: language.value,
    ends_well: endsWell.checked,
    on_reject: then.value,
  });

  function rules() {
    const typed = [
      ...counts.filter(([, input]) => input.value !== "").map(([name, input]) => [name, input.valueAsNumber]),
      ...texts.map(([name, input]) => [name, linesOf(input.value)]).filter(([, lines]) => lines.length),
    ];
    const chosen = language.value ? { language: language.value } : {};
    return { ...Object.fromEntries(typed), ...chosen, ...(endsWell.checked ? { ends_well: true } : {}) };
  }

  const named = (name, input) => field(name, t(`accept.${name}`), input);
  return {
    values,
    read() {
      const wrong = counts.find(([, input]) => !input.checkValidity());
      if (wrong) return { fault: t("accept.words.fault"), at: wrong[1] };
      const accept = rules();
      return { body: Object.keys(accept).length ? { accept, on_reject: then.value } : {} };
    },
    node: el(
      "details",
      { class: "settings", open: Object.keys(rules()).length > 0 },
      el("summary", {}, t("accept.title")),
      el("div", { class: "fields" }, ...counts.map(([name, input]) => named(name, input)), named("text_language", language)),
      el("div", { class: "fields" }, ...texts.map(([name, input]) => named(name, input))),
      el("p", { id: "accept-hint", class: "hint" }, t("accept.hint")),
      el("p", { class: "field" }, el("label", { for: "ends_well" }, endsWell, ` ${t("accept.ends_well")}`)),
      named("on_reject", then),
    ),
  };
}

const linesOf = (typed) => typed.split("\n").map((line) => line.trim()).filter(Boolean);

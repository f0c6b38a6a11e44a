// What the server tells in English, in the page's language, where the page knows the sentence.

import { language, t } from "./words.js";

/** Each known sentence as a pattern whose groups are its values. English needs none: it is told as it is. */
const PATTERNS = language === "en" ? [] : patternsOf((await import("./words_en_told.js")).TOLD);

function patternsOf(told) {
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return Object.entries(told).map(([key, words]) => {
    const parts = words.split(/\{(\w+)\}/);
    const source = parts.map((part, at) => (at % 2 ? `(?<${part}>.+?)` : escaped(part))).join("");
    return [key, new RegExp(`^${source}$`, "s")];
  });
}

/** This sentence of the server, in the page's language if it is known. */
export function inOurWords(message) {
  for (const [key, pattern] of PATTERNS) {
    const found = pattern.exec(message);
    if (!found) continue;
    const values = { ...found.groups };
    if (values.message) values.message = inOurWords(values.message);
    return t(key, values);
  }
  return message;
}

// One reason of several in a message: `min_words: asked for 300, found 206 words`.
const START = "The text was not accepted: ";
const NEXT = /; (?=(?:min_words|max_words|json_schema|must_include|must_not_include|ends_well|language): asked for )/;
const REASON = /^(\w+): asked for (.+), found (.+)$/s;
const COUNT = /^(\d+) words?$/;
const TEXT = /^(the pattern )?"(.*)"$/s;

/** Why a text was not accepted, as one sentence; null where the message is not understood. */
export function whyRejected(message) {
  if (!message?.startsWith(START)) return null;
  const reasons = message.slice(START.length).split(NEXT).map(reasonOf);
  return reasons.includes(null) ? null : t("reject.said", { reasons: reasons.join(t("reject.and")) });
}

function reasonOf(told) {
  const [, rule, wanted, got] = REASON.exec(told) ?? [];
  const [, isPattern, text] = TEXT.exec(wanted ?? "") ?? [];
  const found = COUNT.exec(got ?? "")?.[1] ?? inOurWords(got ?? "");
  switch (rule) {
    case "min_words":
    case "max_words":
      return t(`reject.${rule}`, { asked: Number(wanted), found: Number(found) });
    case "must_include":
    case "must_not_include":
      return t(`reject.${rule}`, { what: t(isPattern ? "reject.pattern" : "reject.text", { text }) });
    case "language":
      return t("reject.language", { asked: wanted, found });
    case "json_schema":
    case "ends_well":
      return t(`reject.${rule}`, { found });
    default:
      return null;
  }
}

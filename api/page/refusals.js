// What the API refuses, in the page's language: a sentence by its code, and what the server said under "Details".

import { el, put, wrong } from "./dom.js";
import { detailsOf } from "./failure_groups.js";
import { inOurWords } from "./told.js";
import { has, t } from "./words.js";

/** The sentence of this kind for a code; the server's own where it has none. */
const sentenceFor = (kind, { code, message }) => {
  const words = inOurWords(message);
  return has(`${kind}.${code}`) ? t(`${kind}.${code}`, { message: words }) : words;
};

/** Where a mistake in a file is, and the mistake without that: the row, which a spreadsheet shows, or else the line. */
export function placed(mistake) {
  const row = /^row (\d+): /.exec(mistake.message);
  if (row) return [el("b", {}, t("row", { row: row[1] })), { ...mistake, message: mistake.message.slice(row[0].length) }];
  return [mistake.line === null ? null : el("b", {}, t("line", mistake)), mistake];
}

/** The sentence for a refusal or a mistake in a file. */
export const refusalOf = (error) => sentenceFor("refusal", error);

/** The sentence for what was read otherwise than it was written. */
export const warningOf = (warning) => sentenceFor("warning", warning);

/** A box with this error in words. */
export function refused(error, ...more) {
  return wrong(refusalOf(error), detailsLeft(error), ...more);
}

/** Shows an error in this element, and nothing for null. */
export const faultsIn = (node) => (error) => put(node, error && refused(error));

/** What the server said, folded; nothing where the sentence has all of it. */
export const detailsLeft = (error) => (refusalOf(error).includes(inOurWords(error.message)) ? null : detailsOf(error));

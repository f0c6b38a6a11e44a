// What the API refuses, in the page's language: a sentence by its code, and what the server said under "Details".

import { put, wrong } from "./dom.js";
import { detailsOf } from "./failure_groups.js";
import { inOurWords } from "./told.js";
import { has, t } from "./words.js";

/** The sentence of this kind for a code; the server's own where it has none. */
const sentenceFor = (kind, { code, message }) => {
  const words = inOurWords(message);
  return has(`${kind}.${code}`) ? t(`${kind}.${code}`, { message: words }) : words;
};

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

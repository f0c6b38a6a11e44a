// What the API refuses, in the page's language: a sentence by its code, and what the server said under "Details".

import { wrong } from "./dom.js";
import { detailsOf } from "./failure_groups.js";
import { has, t } from "./words.js";

/** The sentence for a refusal or a mistake in a file; the server's own where its code has none. */
export const refusalOf = ({ code, message }) => (has(`refusal.${code}`) ? t(`refusal.${code}`, { message }) : message);

/** The sentence for what was read otherwise than it was written. */
export const warningOf = ({ code, message }) => (has(`warning.${code}`) ? t(`warning.${code}`, { message }) : message);

/** A box with this error in words. */
export function refused(error, ...more) {
  return wrong(refusalOf(error), detailsLeft(error), ...more);
}

/** What the server said, folded; nothing where the sentence has all of it. */
export const detailsLeft = (error) => (refusalOf(error).includes(error.message) ? null : detailsOf(error));

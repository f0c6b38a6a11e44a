// How a file was read, where it was not read exactly as it was written.

import { el } from "./dom.js";
import { warningOf } from "./refusals.js";
import { t } from "./words.js";

const DELIMITERS = { ";": "form.cells.semicolons", "\t": "form.cells.tabs", "|": "form.cells.bars" };

/** A line for each thing that is worth a look; none for a file in UTF-8 that was read as it is. */
export function fileNotes({ warnings, encoding, is_guess: isGuess, delimiter }) {
  const form = [];
  if (encoding !== "UTF-8") form.push(t(isGuess ? "form.guessed" : "form.encoded", { encoding }));
  if (delimiter !== null && delimiter !== ",")
    form.push(t("form.cells", { mark: t(DELIMITERS[delimiter] ?? "form.cells.other", { delimiter }) }));
  const read = form.length ? [t("form.read_as", { how: form.join(t("form.read_as.comma")) })] : [];
  const notes = warnings.filter(({ code }) => code !== "encoding").map(sentenceOf);
  return [...read, ...notes].map((words) => el("li", {}, words));
}

function sentenceOf(warning) {
  const { line, count } = warning;
  const message = warningOf(warning);
  return line === null ? message : t(count > 1 ? "form.warning.lines" : "form.warning.line", { message, line, count: count - 1 });
}

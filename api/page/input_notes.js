// What there is to say of an input: why it was refused, and what was read otherwise than it was written.

import { el, wrong } from "./dom.js";
import { refusalOf, warningOf } from "./refusals.js";
import { t } from "./words.js";

const MOST = 10;
const DELIMITERS = { ";": "form.cells.semicolons", "\t": "form.cells.tabs", "|": "form.cells.bars" };

/** The parts to show of a batch; none for one that was read as it was written. */
export function batchNotes(batch) {
  const parts = [];
  const errors = batch.errors?.data ?? [];
  if (errors.length) {
    const more = errors.length > MOST ? [el("p", {}, t("notes.more", { count: errors.length - MOST }))] : [];
    parts.push(wrong(t("notes.refused"), list(errors.slice(0, MOST), refusalOf), ...more));
  }
  const warnings = batch.warnings ?? [];
  if (warnings.length) parts.push(el("div", { class: "hint" }, t("notes.warnings"), list(warnings, warningOf)));
  return parts;
}

function list(told, wordsOf) {
  return el(
    "ul",
    { class: "notes" },
    ...told.map(({ line, count = 1, ...note }) => {
      const where =
        line === null ? null : el("b", {}, count > 1 ? t("line.and_more", { line, count: count - 1 }) : t("line", { line }));
      return el("li", {}, where, wordsOf(note));
    }),
  );
}

/** A line for each thing about a file that is worth a look; none for a file in UTF-8 that was read as it is. */
export function fileNotes({ warnings, encoding, is_guess: isGuess, delimiter }) {
  const read = [];
  if (encoding !== "UTF-8") read.push(t(isGuess ? "form.guessed" : "form.encoded", { encoding }));
  if (delimiter !== null && delimiter !== ",")
    read.push(t("form.cells", { mark: t(DELIMITERS[delimiter] ?? "form.cells.other", { delimiter }) }));
  const notes = warnings.filter(({ code }) => code !== "encoding").map(sentenceOf);
  return [...read, ...notes].map((words) => el("li", {}, words));
}

function sentenceOf(warning) {
  const { line, count } = warning;
  const message = warningOf(warning);
  return line === null ? message : t(count > 1 ? "form.warning.lines" : "form.warning.line", { message, line, count: count - 1 });
}

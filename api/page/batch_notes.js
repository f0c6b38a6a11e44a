// What there is to say of a batch's input: why it was refused, and what was read otherwise than it was written.

import { el, wrong } from "./dom.js";
import { refusalOf, warningOf } from "./refusals.js";
import { t } from "./words.js";

const MOST = 10;

/** The parts to show; none for a batch that was read as it was written. */
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

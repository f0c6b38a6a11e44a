// What there is to say of a batch's input: why it was refused, and what was read otherwise than it was written.

import { el, wrong } from "./dom.js";

const MOST = 10;

/** The parts to show; none for a batch that was read as it was written. */
export function batchNotes(batch) {
  const parts = [];
  const errors = batch.errors?.data ?? [];
  if (errors.length) {
    const more = errors.length > MOST ? [el("p", {}, `and ${errors.length - MOST} more.`)] : [];
    parts.push(wrong("Its file was refused, and no job was created.", list(errors.slice(0, MOST)), ...more));
  }
  const warnings = batch.warnings ?? [];
  if (warnings.length) parts.push(el("div", { class: "hint" }, "Read differently from how it was written:", list(warnings)));
  return parts;
}

function list(told) {
  return el(
    "ul",
    { class: "notes" },
    ...told.map(({ line, message, count = 1 }) => {
      const where = line === null ? null : el("b", {}, `Line ${line}${count > 1 ? ` and ${count - 1} more` : ""}: `);
      return el("li", {}, where, message);
    }),
  );
}

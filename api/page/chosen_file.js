// The file that was chosen, as Longhand reads it: uploaded once, and looked at as often as something is said of it.

import { call } from "./net.js";

const KEPT_SECONDS = 86400;
// What is asked for at every key that is pressed must be quick; a longer file is looked at whole when it is sent.
const QUICK_LIMIT = 20;
const QUICK_COUNT = 2000;

/** One file, `name` and `report` (null until it was looked at). */
export class ChosenFile {
  constructor(file) {
    this.file = file;
    this.name = file.name;
    this.report = null;
    this.id = null;
    this.wholeFor = null;
    this.turns = 0;
  }

  /** Upload it. Rejects with `ApiError`. */
  async send() {
    const form = new FormData();
    form.append("purpose", "batch");
    form.append("expires_after[anchor]", "created_at");
    form.append("expires_after[seconds]", String(KEPT_SECONDS));
    form.append("file", this.file, this.name);
    this.id = (await call("/v1/files", { method: "POST", body: form })).id;
  }

  /** Look at it, read as `input` says: whole, or at its first requests. Resolves to the report. */
  async look(input, { first = false } = {}) {
    const limit = first ? QUICK_LIMIT : undefined;
    // The name of a model is nothing to look at, only whether there is one.
    const asked = JSON.stringify({ ...input, model: Boolean(input.model) });
    if (this.wholeFor === asked) return this.report;
    const turn = (this.turns += 1);
    const report = await call("/v1/inputs", { method: "POST", body: { input_file_id: this.id, input, limit } });
    if (turn !== this.turns) return report; // something else was asked for since
    this.wholeFor = first ? null : asked;
    // What was found out about the whole file stays true enough until it is looked at again.
    if (first && this.report) this.report = { ...this.report, first_prompt: report.first_prompt, quick: report };
    else this.report = { ...report, quick: report };
    return this.report;
  }

  /** What is wrong with all of it, read as `input` says. What is known of it stays as it is. */
  check(input) {
    return call("/v1/inputs", { method: "POST", body: { input_file_id: this.id, input } });
  }

  get isLong() {
    return this.report !== null && this.report.count > QUICK_COUNT;
  }

  /** Forget it, here and there. */
  drop() {
    if (this.id !== null) call(`/v1/files/${this.id}`, { method: "DELETE" }).catch(() => {});
    this.id = null;
  }
}

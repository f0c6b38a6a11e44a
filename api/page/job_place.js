// Where an article stands: the batch that it belongs to, by name, and the articles before and after it.

import { el, put, say } from "./dom.js";
import { batchName } from "./names.js";
import { call } from "./net.js";
import { refusalOf } from "./refusals.js";
import { go } from "./router.js";
import { t } from "./words.js";

export class JobPlace {
  node = el("p", { class: "crumbs" }, el("a", { href: "#/" }, t("crumbs.home")));
  #batch = null;
  #job = null;
  #signal;

  constructor(signal) {
    this.#signal = signal;
  }

  /** Show where this job stands. The batch is read once. */
  async show(job) {
    this.#job = job;
    if (!job.batch_id || this.#batch === job.batch_id) return;
    this.#batch = job.batch_id;
    const link = el("a", { href: `#/batches/${job.batch_id}`, dir: "auto" }, t("crumbs.batch"));
    const before = el("button", { type: "button", class: "quiet", onclick: () => this.step(-1) }, t("step.before"));
    const after = el("button", { type: "button", class: "quiet", onclick: () => this.step(1) }, t("step.after"));
    const steps = el("span", { class: "steps" }, before, after);
    put(this.node, el("a", { href: "#/" }, t("crumbs.home")), " / ", link, steps);
    try {
      link.textContent = batchName(await call(`/v1/batches/${job.batch_id}`, { signal: this.#signal }));
    } catch {
      // Not reached, or left: the link leads there all the same.
    }
  }

  /** Go to the next (1) or the previous (-1) article of the batch. */
  async step(by) {
    if (!this.#job?.batch_id) return;
    const query = new URLSearchParams({
      batch_id: this.#job.batch_id,
      after: this.#job.id,
      order: by > 0 ? "asc" : "desc",
      limit: "1",
    });
    try {
      const { data } = await call(`/v1/jobs?${query}`, { signal: this.#signal });
      if (data.length) go(`#/jobs/${data[0].id}`);
      else say(t(by > 0 ? "step.last" : "step.first"));
    } catch (error) {
      if (error.name !== "AbortError") say(refusalOf(error));
    }
  }
}

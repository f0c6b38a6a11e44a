// Why the queued articles of a batch wait, as far as anybody looks: read every few seconds, never for what is out of sight.

import { call } from "./net.js";
import { isFinal } from "./status.js";
import { whyItWaits } from "./waiting_words.js";

const LOOK_MS = 4000;
const MOST = 100;

export class BatchWaits {
  #byId = new Map();
  #byModel = new Map();
  #closed = new AbortController();
  #reading = false;
  #timer = setInterval(() => this.#look(), LOOK_MS);

  /** `isLookedAt()` says whether a queued article is in sight; `onChange()` is called when something new is known. */
  constructor(state, { isLookedAt, onChange }) {
    this.state = state;
    this.isLookedAt = isLookedAt;
    this.onChange = onChange;
  }

  /** What the API says of why this article waits; null while that is not known. */
  of(job) {
    const hold = this.state.batch?.hold;
    if (hold) return { hold };
    const own = this.#byId.get(job.id);
    if (own) return own;
    // Of a long queue only the first are read. Those of the same model wait for the same, except for a next attempt.
    return job.attempt ? null : (this.#byModel.get(job.model) ?? null);
  }

  /** Why the first waits that waits, in words; empty while nobody knows. */
  whyFirst() {
    const first = this.state.jobs.find((job) => job?.status === "queued");
    const known = first && this.of(first);
    return known ? whyItWaits(first, known) : "";
  }

  close() {
    clearInterval(this.#timer);
    this.#closed.abort();
  }

  async #look() {
    const { batch } = this.state;
    if (document.hidden || this.#reading || !batch || isFinal(batch.status) || batch.hold || !this.isLookedAt()) return;
    this.#reading = true;
    const query = new URLSearchParams({ batch_id: batch.id, status: "queued", order: "asc", limit: String(MOST) });
    try {
      const { data } = await call(`/v1/jobs?${query}`, { signal: this.#closed.signal });
      this.#byId = new Map(data.filter((job) => job.limited_by).map((job) => [job.id, job]));
      const alike = data.filter((job) => job.limited_by && job.limited_by !== "retry").reverse();
      this.#byModel = new Map(alike.map((job) => [job.model, job])); // the first of each model counts
      this.onChange();
    } catch {
      // Not reached, or closed: the next look may succeed.
    } finally {
      this.#reading = false;
    }
  }
}

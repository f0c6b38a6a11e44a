// The prompts of jobs that are looked at. Lists have none, as they may be long: each is read once, a few at a time.

import { promptOf } from "./names.js";
import { call } from "./net.js";

const AT_ONCE = 4;
const MOST = 2000;

export class Prompts {
  #known = new Map();
  #asked = new Set();
  #waiting = [];
  #running = 0;
  #closed = new AbortController();

  /** `onKnown(id)` is called when a prompt was read. */
  constructor(onKnown) {
    this.onKnown = onKnown;
  }

  /** The prompt of a job, or nothing yet; then it is read. */
  of(id) {
    if (!this.#asked.has(id)) {
      this.#asked.add(id);
      this.#waiting.push(id);
      this.#next();
    }
    return this.#known.get(id) ?? "";
  }

  /** The prompt as far as it is known. */
  known(id) {
    return this.#known.get(id) ?? "";
  }

  close() {
    this.#closed.abort();
  }

  async #next() {
    if (this.#running >= AT_ONCE || this.#closed.signal.aborted) return;
    // The one asked for last is the one in sight.
    const id = this.#waiting.pop();
    if (id === undefined) return;
    this.#running += 1;
    try {
      const { request } = await call(`/v1/jobs/${id}`, { signal: this.#closed.signal });
      this.#known.set(id, promptOf(request).slice(0, MOST));
      this.onKnown(id);
    } catch {
      this.#asked.delete(id); // not reached: whoever looks at it again tries again
    } finally {
      this.#running -= 1;
      this.#next();
    }
  }
}

// The prompts of jobs that are looked at, and their attempts. Lists have neither, as they may be long: each is read once, and
// again after an attempt that ended without the article, a few at a time.

import { endedBefore } from "./anew.js";
import { promptOf } from "./names.js";
import { call } from "./net.js";

const AT_ONCE = 4;
const MOST = 2000;

export class Prompts {
  #known = new Map();
  #attempts = new Map();
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
    this.#ask(id, id);
    return this.#known.get(id) ?? "";
  }

  /** The attempts at a job, as far as they are known; if one has ended that is not, they are read. */
  attemptsOf(job) {
    const number = endedBefore(job);
    if (number) this.#ask(job.id, `${job.id} ${number}`);
    return this.#attempts.get(job.id) ?? [];
  }

  /** The prompt as far as it is known. */
  known(id) {
    return this.#known.get(id) ?? "";
  }

  close() {
    this.#closed.abort();
  }

  #ask(id, what) {
    if (this.#asked.has(what)) return;
    this.#asked.add(what);
    this.#waiting.push([id, what]);
    this.#next();
  }

  async #next() {
    if (this.#running >= AT_ONCE || this.#closed.signal.aborted) return;
    // The one asked for last is the one in sight.
    const next = this.#waiting.pop();
    if (next === undefined) return;
    const [id, what] = next;
    this.#running += 1;
    try {
      const { request, attempts } = await call(`/v1/jobs/${id}`, { signal: this.#closed.signal });
      this.#known.set(id, promptOf(request).slice(0, MOST));
      if (attempts.length) this.#attempts.set(id, attempts);
      this.onKnown(id);
    } catch {
      this.#asked.delete(what); // not reached: whoever looks at it again tries again
    } finally {
      this.#running -= 1;
      this.#next();
    }
  }
}

// A batch as this page knows it: every job of it, and the texts it has seen grow, over one stream of events.

import { call } from "./net.js";
import { isFinal } from "./status.js";
import { Stream } from "./stream.js";
import { JobText } from "./job_text.js";

export class BatchState {
  batch = null;
  /** Jobs by their place in the batch. */
  jobs = [];
  byId = new Map();
  texts = new Map();
  /** By job id: `same`, `length` or `differs`, once an ended job's text was compared with what is stored. */
  marks = new Map();
  #stream = null;
  #closed = new AbortController();
  #settling = new Set();

  /** `onBatch()`, `onJobs(ids)`, `onText(ids)` and `onFault(error)` tell what is new. */
  constructor(id, listener) {
    this.id = id;
    this.listener = listener;
  }

  async start() {
    this.batch = await call(`/v1/batches/${this.id}`, { signal: this.#closed.signal });
    this.watch();
  }

  /** Follow the batch from here on. Texts that are whole already are not sent again; `settle` reads those one looks at. */
  watch() {
    this.#stream?.close();
    if (this.#closed.signal.aborted) return;
    for (const [id, text] of this.texts) if (!isFinal(this.byId.get(id)?.status)) text.reset(0);
    this.listener.onBatch();
    this.#stream = new Stream(
      `/v1/batches/${this.id}/events`,
      { deltas: "true", texts: "running" },
      {
        batch: (batch) => this.#takeBatch(batch),
        progress: (progress) => this.#takeBatch({ ...this.batch, ...progress }),
        jobs: ({ jobs }) => this.#takeJobs(jobs),
        deltas: ({ deltas }) => this.#takeDeltas(deltas),
        reset: ({ id, attempt }) => this.#takeReset(id, attempt),
        done: (batch) => {
          this.#stream.close();
          this.#takeBatch(batch);
        },
      },
      () => this.#readAgain(),
    );
  }

  /** The text of a job; an empty one before the first delta. */
  textOf(id) {
    let text = this.texts.get(id);
    if (!text) this.texts.set(id, (text = new JobText()));
    return text;
  }

  /** Make sure that an ended job's text is what is stored. Called for the jobs that are looked at. */
  async settle(job) {
    if (!isFinal(job.status) || this.marks.has(job.id) || this.#settling.has(job.id)) return;
    this.#settling.add(job.id);
    try {
      const mark = await this.textOf(job.id).settle(job, this.#closed.signal);
      // It may run again by now.
      if (this.byId.get(job.id) === job) {
        this.marks.set(job.id, mark);
        this.listener.onJobs([job.id]);
      }
    } catch {
      // Not reached, or closed: whoever looks at it again tries again.
    } finally {
      this.#settling.delete(job.id);
    }
  }

  close() {
    this.#closed.abort();
    this.#stream?.close();
  }

  async #readAgain() {
    try {
      this.#takeBatch(await call(`/v1/batches/${this.id}`, { signal: this.#closed.signal }));
    } catch (error) {
      if (error.status) this.listener.onFault(error);
    }
  }

  #takeBatch(batch) {
    this.batch = batch;
    this.listener.onBatch();
  }

  #takeJobs(jobs) {
    for (const job of jobs) {
      this.jobs[job.index] = job;
      this.byId.set(job.id, job);
      this.marks.delete(job.id);
      // What was watched to its end is compared at once; what ended before, when somebody looks at it.
      if (isFinal(job.status) && this.texts.get(job.id)?.bytes) this.settle(job);
    }
    this.listener.onJobs(jobs.map((job) => job.id));
  }

  #takeDeltas(deltas) {
    const now = performance.now();
    for (const delta of deltas) {
      // Bytes are missing, which the server's cursor rules out: begin anew rather than show a torn text.
      if (!this.textOf(delta.id).take(delta, now)) return this.watch();
    }
    return this.listener.onText(deltas.map((delta) => delta.id));
  }

  #takeReset(id, attempt) {
    this.textOf(id).reset(attempt);
    this.listener.onText([id]);
  }
}

// A batch as this page knows it: every job of it, and the texts it has seen grow, over one stream of events.

import { call } from "./net.js";
import { isFinal } from "./status.js";
import { Stream } from "./stream.js";
import { JobText } from "./job_text.js";

const AT_ONCE = 6;
const PAGE = 100;
const AGAIN_MS = 5000;
const OF_STATE = ["status", "attempt", "cancel_requested_at", "sha256"];

export class BatchState {
  /** So many bytes of texts that are stored are kept for cards out of sight; they are read again when one comes back. */
  static mostBytes = 32e6;

  batch = null;
  /** Jobs by their place in the batch. */
  jobs = [];
  byId = new Map();
  texts = new Map();
  /** By job id: `same`, `length` or `differs`, once an ended job's text was compared with what is stored. */
  marks = new Map();
  #stream = null;
  #hasEnded = false;
  #closed = new AbortController();
  #settling = new Set();
  #stored = new Map();
  #storedBytes = 0;
  #again = null;

  /** `onBatch()`, `onJobs(ids)`, `onText(ids)`, `onFault(error)` and `onUnread()` tell what is new; `isDrawn(id)` asks what is seen. */
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
        deltas: ({ deltas, reasoning }) => this.#takeDeltas(deltas, reasoning ?? []),
        reset: ({ id, attempt }) => this.#takeReset(id, attempt),
        done: (batch) => {
          this.#stream.close();
          this.#hasEnded = true;
          this.#takeBatch(batch);
        },
      },
      () => this.reread(),
      () => this.#doubt(),
    );
  }

  /** Something was told that nobody could read: read all rows, until that has gone well. */
  async #doubt() {
    this.listener.onUnread();
    clearTimeout(this.#again);
    this.#again = setTimeout(() => this.#doubt(), AGAIN_MS);
    const again = this.#again;
    const before = this.batch;
    let isWhole;
    try {
      const batch = await call(`/v1/batches/${this.id}`, { signal: this.#closed.signal });
      // As in `reread`: it may have ended meanwhile, and nothing would tell so again.
      if (this.batch === before) this.#takeBatch(batch);
      isWhole = await this.#readRows();
    } catch (error) {
      if (error.name !== "AbortError") this.listener.onFault(error);
      return;
    }
    if (again !== this.#again) return; // another one has come meanwhile
    clearTimeout(again);
    // Which place a job has, only the events tell.
    if (!isWhole) this.#again = setTimeout(() => this.watch(), AGAIN_MS);
  }

  /** Read all jobs. Whether each one was known: some of an ended batch may have been deleted. */
  async #readRows() {
    let isWhole = true;
    for (let after = "", more = true; more; ) {
      const before = new Map(this.byId);
      const page = await call(`/v1/jobs?batch_id=${this.id}&limit=${PAGE}${after}`, { signal: this.#closed.signal });
      const changed = page.data.filter((row) => {
        const known = before.get(row.id);
        // What the stream has told in the meantime is newer.
        return known && this.byId.get(row.id) === known && OF_STATE.some((name) => row[name] !== known[name]);
      });
      if (changed.length) this.#takeJobs(changed.map((row) => ({ ...before.get(row.id), ...row })));
      isWhole &&= page.data.every(({ id }) => this.byId.has(id));
      after = `&after=${page.last_id}`;
      more = page.has_more;
    }
    return isWhole;
  }

  /** Whether all jobs were told; of an ended batch the last ones may have been deleted. */
  get isListed() {
    return this.#hasEnded || this.jobs.length >= this.batch.request_counts.total;
  }

  /** The text of a job; an empty one before the first delta. */
  textOf(id) {
    let text = this.texts.get(id);
    if (!text) this.texts.set(id, (text = new JobText()));
    return text;
  }

  /** Make sure that an ended job's text is what is stored. Called for the jobs that are looked at, again and again. */
  async settle(job) {
    if (!isFinal(job.status) || this.marks.has(job.id) || this.#settling.has(job.id)) return;
    if (this.#settling.size >= AT_ONCE) return;
    this.#settling.add(job.id);
    const text = this.textOf(job.id);
    try {
      const mark = await text.settle(job, this.#closed.signal);
      // It may run again by now, or its text was out of sight and is forgotten.
      if (this.byId.get(job.id) === job && this.texts.get(job.id) === text) {
        this.marks.set(job.id, mark);
        this.#keep(job);
      }
      this.#settling.delete(job.id);
      this.listener.onJobs([job.id]);
    } catch {
      // Not reached, or closed: whoever looks at it again tries again.
      this.#settling.delete(job.id);
    }
  }

  /** Read an ended batch again: its jobs may have been retried elsewhere. */
  async lookAgain() {
    if (this.batch === null || !isFinal(this.batch.status)) return;
    const before = JSON.stringify(this.batch);
    await this.reread();
    if (JSON.stringify(this.batch) !== before) this.watch();
  }

  close() {
    clearTimeout(this.#again);
    this.#closed.abort();
    this.#stream?.close();
  }

  #keep({ id, bytes }) {
    this.#forget(id);
    this.#stored.set(id, bytes ?? 0);
    this.#storedBytes += bytes ?? 0;
    for (const old of this.#stored.keys()) {
      if (this.#storedBytes <= BatchState.mostBytes) break;
      if (this.listener.isDrawn(old)) continue;
      this.#forget(old);
      this.texts.delete(old);
      this.marks.delete(old);
    }
  }

  #forget(id) {
    this.#storedBytes -= this.#stored.get(id) ?? 0;
    this.#stored.delete(id);
  }

  /** Read the batch again: what holds it may have changed. */
  async reread() {
    const before = this.batch;
    try {
      const batch = await call(`/v1/batches/${this.id}`, { signal: this.#closed.signal });
      // What the stream has told in the meantime is newer.
      if (this.batch === before) this.#takeBatch(batch);
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
      this.#forget(job.id);
      // What was watched to its end is compared at once; what ended before, when somebody looks at it.
      if (!isFinal(job.status) || !this.texts.get(job.id)?.bytes) continue;
      this.#keep(job);
      this.settle(job);
    }
    this.listener.onJobs(jobs.map((job) => job.id));
  }

  #takeDeltas(deltas, reasoning) {
    const now = performance.now();
    for (const piece of reasoning) if (!this.textOf(piece.id).think(piece)) return this.watch();
    for (const delta of deltas) {
      // Bytes are missing, which the server's cursor rules out: begin anew rather than show a torn text.
      if (!this.textOf(delta.id).take(delta, now)) return this.watch();
    }
    return this.listener.onText([...reasoning, ...deltas].map((delta) => delta.id));
  }

  #takeReset(id, attempt) {
    this.textOf(id).reset(attempt);
    this.listener.onText([id]);
  }
}

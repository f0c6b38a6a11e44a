// How long a text is, how fast it grows and since when: one line that is brought up to date while it is written.

import { el, setText } from "./dom.js";
import { duration, rate } from "./format.js";
import { isFinal } from "./status.js";
import { t } from "./words.js";

const LOOK_MS = 500;
const CHINESE = /\p{Script=Han}/gu;
const WORDS = /[\p{L}\p{N}]+(?:['’.,-][\p{L}\p{N}]+)*/gu;

/** The length of a text as its language counts it: `{key, count}`. Chinese counts each character, and a Latin word or a
 *  number as one; punctuation counts in neither.
 */
export function lengthOf(text) {
  const characters = text.match(CHINESE)?.length ?? 0;
  const others = text.replace(CHINESE, " ").match(WORDS)?.length ?? 0;
  return { key: characters > others ? "length.characters" : "length.words", count: characters + others };
}

/** Until when the time counts: of a job that waits again, until its last attempt ended; null where that is not known. */
function endOf(job, now) {
  if (job.status === "queued") return job.attempts?.at(-1)?.finished_at ?? null;
  return isFinal(job.status) ? job.finished_at : now;
}

/** The parts of the line. `now` is in seconds. */
export function livePartsOf(job, text, now) {
  if (!text.text) return [];
  const { key, count } = lengthOf(text.text);
  const parts = [t(key, { count })];
  if (job.status === "in_progress") {
    const speed = text.rate();
    if (speed) parts.push(t("live.rate", { rate: rate(speed) }));
  }
  const end = endOf(job, now);
  if (job.started_at && end) parts.push(duration(Math.max(0, end - job.started_at)));
  return parts;
}

export class LiveLine {
  node = el("p", { class: "live" });
  #job = null;
  #timer = setInterval(() => this.#job && !isFinal(this.#job.status) && !document.hidden && this.draw(), LOOK_MS);

  /** Of a `JobText`. */
  constructor(text) {
    this.text = text;
  }

  setJob(job) {
    this.#job = job;
    this.draw();
  }

  draw() {
    if (this.#job) setText(this.node, livePartsOf(this.#job, this.text, Date.now() / 1000).join(" · "));
  }

  close() {
    clearInterval(this.#timer);
  }
}

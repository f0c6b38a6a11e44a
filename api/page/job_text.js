// The text of one job as this page has it, byte for byte.
//
// The server sends every byte once and says where each delta starts. That is checked here again: what comes twice is
// trimmed, what is missing is noticed, and at the end the SHA-256 of all of it is compared with that of the stored text.

import { callText } from "./net.js";
import { guessTokens } from "./format.js";

const ENCODER = new TextEncoder();
// A byte order mark is text like any other: nothing that is stored is left out.
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });
const RATE_SECONDS = 4;

/** How many bytes a text has in UTF-8. */
function byteLength(text) {
  let length = text.length;
  for (let place = 0; place < text.length; place += 1) {
    const code = text.charCodeAt(place);
    if (code < 0x80) continue;
    // Each half of a surrogate pair adds one: two units, four bytes.
    length += code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 1 : 2;
  }
  return length;
}

/** As `JobText.compare`: a text of so many bytes, and the `bytes` and `sha256` that are stored of it. */
async function compareWith(stored, text, bytes) {
  if (bytes !== (stored.bytes ?? 0)) return "differs";
  if (!stored.sha256) return bytes === 0 ? "same" : "length";
  if (!globalThis.crypto?.subtle) return "length";
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", ENCODER.encode(text)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === stored.sha256
    ? "same"
    : "differs";
}

export class JobText {
  attempt = 0;
  text = "";
  bytes = 0;
  tokens = 0;
  /** The reasoning, which stands beside the text. */
  thought = "";
  thoughtBytes = 0;
  thoughtTokens = 0;
  #steps = [];
  #resets = 0;
  #showsThought;

  /** With `showsThought` the reasoning is compared and read as well. Cards only say how long it is. */
  constructor({ showsThought = false } = {}) {
    this.#showsThought = showsThought;
  }

  /** Take a delta. False when bytes before it are missing. */
  take({ attempt, offset, text }, now = performance.now()) {
    if (attempt < this.attempt) return true; // of an attempt that is over
    if (attempt > this.attempt && offset === 0) this.reset(attempt);
    if (offset > this.bytes) return false;
    this.attempt = attempt;
    const fresh = offset === this.bytes ? text : DECODER.decode(ENCODER.encode(text).subarray(this.bytes - offset));
    if (!fresh) return true;
    this.text += fresh;
    this.bytes += byteLength(fresh);
    this.tokens += guessTokens(fresh);
    this.#steps.push([now, this.tokens]);
    while (this.#steps.length > 2 && now - this.#steps[0][0] > RATE_SECONDS * 1000) this.#steps.shift();
    return true;
  }

  /** Take a piece of the reasoning; one at offset 0 begins it anew. False when bytes before it are missing. */
  think({ attempt, offset, text }) {
    if (attempt < this.attempt) return true;
    if (attempt > this.attempt && this.bytes === 0) this.attempt = attempt;
    if (offset === 0) this.#setThought("");
    if (offset !== this.thoughtBytes) return offset < this.thoughtBytes;
    this.thought += text;
    this.thoughtBytes += byteLength(text);
    this.thoughtTokens += guessTokens(text);
    return true;
  }

  /** Text and reasoning begin anew. */
  reset(attempt) {
    this.#setThought("");
    this.#resets += 1;
    this.attempt = attempt;
    this.text = "";
    this.bytes = 0;
    this.tokens = 0;
    this.#steps = [];
  }

  /** Take a text that was read whole. */
  set(attempt, text) {
    const kept = [this.thought, this.thoughtBytes, this.thoughtTokens];
    this.reset(attempt);
    [this.thought, this.thoughtBytes, this.thoughtTokens] = kept;
    this.text = text;
    this.bytes = byteLength(text);
    this.tokens = guessTokens(text);
  }

  /** About how many tokens a second came lately; 0 when nothing did. */
  rate(now = performance.now()) {
    const first = this.#steps[0];
    if (!first || this.#steps.length < 2 || now - this.#steps.at(-1)[0] > RATE_SECONDS * 1000) return 0;
    return (this.tokens - first[1]) / Math.max(0.5, (now - first[0]) / 1000);
  }

  /** Whether text and reasoning are exactly what is stored of an ended job: `same`, `differs`, or `length` where
   * only the lengths could be compared (browsers give SHA-256 to secure places alone).
   */
  async compare(job) {
    const found = [await this.#compareText(job), await this.#compareThought(job)];
    return ["differs", "length"].find((one) => found.includes(one)) ?? "same";
  }

  #compareText = (job) => compareWith(job, this.text, this.bytes);
  #compareThought = (job) =>
    this.#showsThought ? compareWith(job.reasoning ?? {}, this.thought, this.thoughtBytes) : "same";

  /** Make these the stored text and reasoning of an ended job: as they are, or read anew. Resolves as `compare`. */
  async settle(job, signal) {
    const resets = this.#resets;
    const compared = await this.compare(job);
    if (compared !== "differs") return compared;
    const path = `/v1/jobs/${job.id}/text?partial=true`;
    const text = (await this.#compareText(job)) === "differs" ? await callText(path, { signal }) : this.text;
    const isOld = (await this.#compareThought(job)) === "differs";
    const thought = isOld && job.reasoning?.bytes ? await callText(`${path}&part=reasoning`, { signal }) : "";
    // The job may run again by now: then what was read is old, and the text belongs to the new attempt.
    if (resets !== this.#resets) return "differs";
    this.set(job.attempt, text);
    if (isOld) this.#setThought(thought);
    return this.compare(job);
  }

  #setThought(thought) {
    this.thought = thought;
    this.thoughtBytes = byteLength(thought);
    this.thoughtTokens = guessTokens(thought);
  }
}

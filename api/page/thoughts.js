// The reasoning of a job, folded above its text, and open while nothing else has come.

import { el, setText } from "./dom.js";
import { isFinal } from "./status.js";
import { t } from "./words.js";

/** About how many tokens, in words. */
export const about = (tokens) => t("tokens.written", { count: Math.max(1, Math.round(tokens)) });

export class Thoughts {
  #summary = el("summary", {});
  #words = el("pre", { class: "thought", dir: "auto" });
  #frame = null;
  /** Whether the reader has opened or closed it: then it stays so. */
  #chosen = false;
  #status = "in_progress";
  /** What was counted at the end. */
  #tokens = null;

  /** Of a `JobText`. */
  constructor(text) {
    this.text = text;
    this.node = el("details", { class: "thoughts", hidden: true }, this.#summary, this.#words);
    this.#summary.addEventListener("click", () => (this.#chosen = true));
  }

  /** The job has another status, or its tokens are counted. */
  setJob({ status, reasoning }) {
    this.#status = status;
    this.#tokens = isFinal(status) ? (reasoning?.tokens ?? null) : null;
    this.changed();
  }

  /** The reasoning or the text has changed. */
  changed() {
    this.#frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = null;
    const { thought, thoughtTokens, bytes } = this.text;
    this.node.hidden = thought === "";
    if (!this.#chosen) this.node.open = bytes === 0 && this.#status !== "completed";
    setText(this.#summary, this.#title(bytes, thoughtTokens));
    if (this.node.open || this.#words.textContent === "") setText(this.#words, thought);
    this.node.ontoggle ??= () => setText(this.#words, this.text.thought);
  }

  #title(bytes, guessed) {
    if (bytes === 0 && this.#status === "in_progress") return t("thoughts.now", { tokens: about(guessed) });
    return this.#tokens === null
      ? t("thoughts.about", { tokens: about(guessed) })
      : t("thoughts", { tokens: about(this.#tokens) });
  }

  close() {
    cancelAnimationFrame(this.#frame);
  }
}

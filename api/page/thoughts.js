// The reasoning of a job, folded above its text, and open while nothing else has come.

import { el, setText } from "./dom.js";
import { plural } from "./format.js";

const about = (tokens) => plural(Math.max(1, Math.round(tokens)), "token");

/** About how many tokens, in words. */
export const thinking = (tokens) => `thinking, ${about(tokens)}`;

export class Thoughts {
  #summary = el("summary", {});
  #words = el("pre", { class: "thought", dir: "auto" });
  #frame = null;
  /** Whether the reader has opened or closed it: then it stays so. */
  #chosen = false;

  /** Of a `JobText`. */
  constructor(text) {
    this.text = text;
    this.node = el("details", { class: "thoughts", hidden: true }, this.#summary, this.#words);
    this.#summary.addEventListener("click", () => (this.#chosen = true));
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
    if (!this.#chosen) this.node.open = bytes === 0;
    setText(this.#summary, bytes === 0 ? `The model is ${thinking(thoughtTokens)}` : `Reasoning, ≈ ${about(thoughtTokens)}`);
    if (this.node.open || this.#words.textContent === "") setText(this.#words, thought);
    this.node.ontoggle ??= () => setText(this.#words, this.text.thought);
  }

  close() {
    cancelAnimationFrame(this.#frame);
  }
}

// A job's text as one reads it: as Markdown or as it is stored, drawn as often as the page can bear, followed at its end.

import { el, say } from "./dom.js";
import { languageOf } from "./format.js";
import { Markdown } from "./markdown.js";

const NEAR_END = 120;
const LEAST_PAUSE_MS = 40;

export class Reading {
  #article = new Markdown();
  #raw = el("pre", { class: "raw", dir: "auto", tabindex: "0", "aria-label": "The text as it is stored", hidden: true });
  #source = el("button", { type: "button", "aria-pressed": "false", onclick: () => this.#toggle() }, "Plain text");
  #copy = el("button", { type: "button", onclick: () => this.#copyText() }, "Copy");
  #toEnd = el("button", { type: "button", class: "to-end", hidden: true, onclick: toTheEnd }, "Go to the end ↓");
  #grows = false;
  #waiting = null;
  #frame = null;
  #drawnAt = 0;
  #pause = LEAST_PAUSE_MS;
  #onScroll = () => this.#offerEnd();

  /** Of a `JobText`. `nodes` and `buttons` belong on the page. */
  constructor(text) {
    this.text = text;
    this.nodes = [this.#article.node, this.#raw, this.#toEnd];
    this.buttons = [this.#copy, this.#source];
    addEventListener("scroll", this.#onScroll, { passive: true });
  }

  /** Say which status the job has: whether the text may still grow. */
  setStatus(status, isFinal) {
    this.#grows = !isFinal;
    this.#article.node.dataset.status = status;
    this.#offerEnd();
  }

  /** The text has changed: draw it soon. */
  changed() {
    this.#waiting ??= setTimeout(
      () => {
        this.#waiting = null;
        this.#frame ??= requestAnimationFrame(() => this.draw());
      },
      Math.max(0, this.#drawnAt + this.#pause - performance.now()),
    );
  }

  /** Draw the text as it is now. */
  draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = null;
    const pinned = this.#grows && this.text.bytes > 0 && scrollY > 0 && isNearEnd();
    const began = (this.#drawnAt = performance.now());
    // Of an unknown language, not of the page's: no voice and no hyphenation is better than a wrong one.
    this.#article.node.lang = this.#raw.lang = languageOf(this.text.text) ?? "";
    if (this.#raw.hidden) this.#article.show(this.text.text);
    else showRaw(this.#raw, this.text.text);
    if (pinned) toTheEnd();
    this.#offerEnd();
    // A long text takes longer to draw; then it is drawn less often, and the page stays quick.
    this.#pause = Math.max(LEAST_PAUSE_MS, (performance.now() - began) * 5);
  }

  close() {
    clearTimeout(this.#waiting);
    cancelAnimationFrame(this.#frame);
    removeEventListener("scroll", this.#onScroll);
  }

  #offerEnd() {
    this.#toEnd.hidden = !this.#grows || isNearEnd();
  }

  #toggle() {
    this.#raw.hidden = !this.#raw.hidden;
    this.#article.node.hidden = !this.#raw.hidden;
    this.#source.setAttribute("aria-pressed", String(!this.#raw.hidden));
    this.draw();
  }

  async #copyText() {
    try {
      await navigator.clipboard.writeText(this.text.text);
      say("Copied.");
      this.#copy.textContent = "Copied";
    } catch {
      say("This browser does not allow the page to copy.");
      this.#copy.textContent = "Cannot copy here";
    }
    setTimeout(() => (this.#copy.textContent = "Copy"), 2000);
  }
}

const isNearEnd = () => innerHeight + scrollY > document.body.scrollHeight - NEAR_END;

function toTheEnd() {
  scrollTo({ top: document.body.scrollHeight, behavior: "instant" });
}

/** Only what is new is added: a selection in what was there survives. */
function showRaw(raw, text) {
  const shown = raw.textContent;
  if (shown && text.startsWith(shown)) raw.firstChild.appendData(text.slice(shown.length));
  else raw.textContent = text;
}

// A job's text as one reads it: as Markdown or as it is stored, drawn as often as the page can bear, followed at its end.

import { el, say } from "./dom.js";
import { languageOf } from "./format.js";
import { Markdown } from "./markdown.js";
import { t } from "./words.js";

const NEAR_END = 120;
const LEAST_PAUSE_MS = 40;

export class Reading {
  #article = new Markdown();
  #raw = el("pre", { class: "raw", dir: "auto", tabindex: "0", "aria-label": t("reading.raw"), hidden: true });
  #source = el("button", { type: "button", "aria-pressed": "false", onclick: () => this.#toggle() }, t("reading.plain"));
  #copy = el("button", { type: "button", onclick: () => this.#copyText() }, t("reading.copy"));
  #toEnd = el("button", { type: "button", class: "to-end", hidden: true, onclick: toTheEnd }, t("reading.to_end"));
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
    const shown = this.#raw.hidden ? this.#article.node : this.#raw;
    // What stands beside the text may be longer than it.
    this.#toEnd.hidden = !this.#grows || isNearEnd() || shown.getBoundingClientRect().bottom <= innerHeight;
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
      say(t("reading.copied.said"));
      this.#copy.textContent = t("reading.copied");
    } catch {
      say(t("reading.no_copy.said"));
      this.#copy.textContent = t("reading.no_copy");
    }
    setTimeout(() => (this.#copy.textContent = t("reading.copy")), 2000);
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

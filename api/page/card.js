// The card of one job: its status, its text while it grows, its tokens and their rate.

import { whyAnew } from "./anew.js";
import { el, setText } from "./dom.js";
import { sentenceOf } from "./faults.js";
import { languageOf, plain, rate, short } from "./format.js";
import { firstWords, jobName, textBelowName } from "./names.js";
import { makeMark, setMark } from "./mark.js";
import { isFinal, jobBadge, setJobBadge } from "./status.js";
import { about } from "./thoughts.js";
import { calledTool } from "./tool_calls.js";
import { whyItWaits } from "./waiting_words.js";
import { t } from "./words.js";

const SHOWN = 900;

export class Card {
  /** `waitsOf(job)` gives what is known of why a queued article waits; `prompts` reads the prompts that are seen. */
  constructor(state, job, { waitsOf, prompts }) {
    this.state = state;
    this.waitsOf = waitsOf;
    this.prompts = prompts;
    this.id = job.id;
    this.badge = jobBadge(job);
    this.words = el("p", { class: "card-text", dir: "auto" });
    this.tokens = el("span", {});
    this.speed = el("span", {});
    this.mark = makeMark();
    this.link = el("a", { href: `#/jobs/${job.id}` });
    this.prompt = el("p", { class: "card-prompt", dir: "auto" });
    this.anew = el("p", { class: "card-anew" });
    this.node = el(
      "li",
      { class: "card" },
      el("div", { class: "card-head" }, el("h3", { dir: "auto" }, this.link), this.badge),
      this.prompt,
      this.anew,
      el("div", { class: "card-body" }, this.words),
      el("div", { class: "card-foot" }, this.tokens, this.speed, this.mark),
    );
    this.update();
  }

  update() {
    const job = this.state.byId.get(this.id);
    const text = this.state.texts.get(this.id);
    setJobBadge(this.badge, job);
    this.node.dataset.status = job.status;
    this.#showName(job, text);
    const anew = whyAnew(job, this.prompts.attemptsOf(job));
    setText(this.anew, anew);
    if (this.anew.title !== anew) this.anew.title = anew;
    setText(this.words, this.#excerpt(job, text));
    // A note is in the page's language; a text in its own, which is not the page's where it is unknown.
    if (this.words.classList.contains("note")) this.words.removeAttribute("lang");
    else this.words.lang = languageOf(text?.text ?? "") ?? "";
    setText(this.tokens, tokensLine(job, text));
    const now = job.status === "in_progress" ? text?.rate() : 0;
    setText(this.speed, now ? t("card.rate", { rate: rate(now) }) : "");
    // Where nothing was written there is nothing to compare.
    setMark(this.mark, job.bytes ? this.state.marks.get(this.id) : null);
  }

  #showName(job, text) {
    const prompt = this.prompts.of(job.id);
    const name = jobName(job, { text: text?.text, prompt });
    setText(this.link, name);
    if (this.link.title !== name) this.link.title = name;
    // Said once: a card that is called by its prompt does not repeat it.
    setText(this.prompt, name === firstWords(prompt) ? "" : firstWords(prompt));
  }

  /** The end of a text that grows, the beginning of one that is there. */
  #excerpt(job, text) {
    this.words.className = "card-text";
    const below = textBelowName(job, text?.text ?? "");
    if (text?.text) {
      if (!isFinal(job.status)) return plain(below.slice(-SHOWN));
      if (job.status === "completed") return plain(below.slice(0, SHOWN));
      if (job.status === "cancelled") {
        this.words.className = "card-text kept";
        return plain(below.slice(0, SHOWN));
      }
    }
    this.words.className = "card-text note";
    // Before its last error: of a thousand that a held upstream has sent back, each would say the same.
    if (job.status === "queued") return whyItWaits(job, this.waitsOf(job));
    if (job.error) return sentenceOf(job.error);
    if (job.status === "in_progress" && text?.thought) return t("card.thinking", { tokens: about(text.thoughtTokens) });
    if (job.status === "in_progress") return t("card.waiting");
    if (job.status === "completed" && calledTool(job)) return t("note.tool");
    if (job.status === "completed") return job.bytes ? "" : t("card.empty");
    return text?.text ? plain(below.slice(0, SHOWN)) : t("note.nothing");
  }
}

function tokensLine(job, text) {
  if (job.usage?.output_tokens !== undefined && job.usage?.output_tokens !== null && isFinal(job.status)) {
    const isEstimate = job.usage.source === "estimate";
    return t(isEstimate ? "tokens.about" : "tokens.written", { count: job.usage.output_tokens });
  }
  return text?.tokens ? t("card.tokens", { count: Math.round(text.tokens), short: short(Math.round(text.tokens)) }) : "";
}

// What holds the work that is shown: one banner that says why, since when and what to do, with a button that lifts it.

import { act, el, put, say } from "./dom.js";
import { call } from "./net.js";
import { faultsIn } from "./refusals.js";
import { holdAdvice, holdMessage, holdTitle } from "./waiting_words.js";
import { t } from "./words.js";

export class HoldBanner {
  node = el("section", { class: "held", "aria-label": t("status.on_hold"), hidden: true });
  #shown = "null";
  #title = el("h2", {});
  #advice = el("p", {});
  #message = el("p", { class: "small", dir: "auto" });
  #fault = el("div", {});
  #resume = el("button", { type: "button", class: "main", onclick: () => this.#lift() }, t("hold.resume"));
  #hold = null;
  #isLifting = false;

  /** `onLifted()` is called when Resume has succeeded: read again what is shown. */
  constructor(onLifted) {
    this.onLifted = onLifted;
    put(this.node, el("div", {}, this.#title, this.#advice, this.#message, this.#fault), this.#resume);
  }

  /** Show this hold; null or nothing takes the banner away. */
  show(hold) {
    const next = JSON.stringify(hold ?? null);
    if (next === this.#shown) return;
    const before = this.#hold;
    this.#shown = next;
    this.#hold = hold ?? null;
    // A button that is disabled loses it.
    const hadFocus = this.#isLifting || this.node.contains(document.activeElement);
    this.node.hidden = !hold;
    if (!hold) {
      this.#fault.replaceChildren();
      // What had the focus is gone: it goes on with what the view is about.
      if (hadFocus) document.querySelector("h1")?.focus();
      return;
    }
    this.#title.textContent = holdTitle(hold);
    put(this.#advice, ...holdAdvice(hold));
    this.#message.textContent = holdMessage(hold);
    this.#message.hidden = !this.#message.textContent;
    this.#resume.hidden = !hold.may_resume;
    if (before?.reason !== hold.reason || before?.target !== hold.target) say(holdTitle(hold));
  }

  async #lift() {
    const { kind, target } = this.#hold;
    const name = kind === "model" ? target.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(target);
    const path = `/v1/${kind === "batch" ? "batche" : kind}s/${name}/resume`;
    const lift = async () => {
      await call(path, { method: "POST" });
      say(t("hold.resumed"));
      await this.onLifted();
    };
    this.#isLifting = true;
    await act(this.#resume, lift, faultsIn(this.#fault));
    this.#isLifting = false;
  }
}

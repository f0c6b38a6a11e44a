// Many failures with one cause are one line above the cards, not a wall of the same card.

import { el, put } from "./dom.js";
import { groupsOf, rawOf } from "./faults.js";
import { t } from "./words.js";

export class FailureGroups {
  node = el("section", { class: "failures", "aria-label": t("failures.heading"), hidden: true });
  /** Stands where the cards would be, and says that they are not there. */
  folded = el("p", { class: "folded", hidden: true });
  #opened = new Set();
  #folded = new Set();
  #groups = [];
  #shown = "[]";
  #toldCount = 0;

  /** `onToggle()` is called when a group is shown or hidden. */
  constructor(onToggle) {
    this.onToggle = onToggle;
  }

  /** Whether this job is shown by its group alone. */
  hides(job) {
    return this.#folded.has(job.id);
  }

  /** Bring the groups up to date with these jobs. */
  show(jobs) {
    const groups = groupsOf(jobs);
    this.#folded = new Set(
      groups.filter(({ why }) => !this.#opened.has(why)).flatMap((group) => group.jobs.map((job) => job.id)),
    );
    this.#groups = groups.map(({ why }) => why);
    const next = JSON.stringify(groups.map(({ why, jobs: alike }) => [why, alike.length, this.#opened.has(why)]));
    if (next === this.#shown) return;
    this.#shown = next;
    const focused = this.node.contains(document.activeElement) ? document.activeElement.dataset.why : null;
    this.node.hidden = groups.length === 0;
    put(this.node, ...groups.map((group) => this.#line(group)));
    if (focused) [...this.node.querySelectorAll("button")].find(({ dataset }) => dataset.why === focused)?.focus();
  }

  /** Say where so many cards are that are not shown. */
  tell(count) {
    if (count === this.#toldCount) return;
    this.#toldCount = count;
    this.folded.hidden = count === 0;
    const show = el("button", { type: "button", onclick: () => this.openAll() }, t("failures.folded.show"));
    put(this.folded, count ? t("failures.folded", { count }) : "", count ? show : null);
  }

  /** Show the cards of all groups. */
  openAll() {
    const hadFocus = this.folded.contains(document.activeElement);
    for (const why of this.#groups) this.#opened.add(why);
    this.onToggle();
    if (hadFocus) this.node.querySelector("button")?.focus(); // the button is gone: this one takes it back
  }

  #line({ why, error, jobs }) {
    const count = jobs.length;
    const isOpen = this.#opened.has(why);
    return el(
      "div",
      { class: "failure" },
      el("p", { class: "why", dir: "auto" }, t("failures.group", { count, why })),
      el(
        "button",
        { type: "button", "aria-expanded": String(isOpen), "data-why": why, onclick: () => this.#toggle(why) },
        t(isOpen ? "failures.hide" : "failures.show", { count }),
      ),
      detailsOf(error),
    );
  }

  #toggle(why) {
    if (!this.#opened.delete(why)) this.#opened.add(why);
    this.onToggle();
  }
}

/** The stored code and message of an error, folded. */
export function detailsOf(error) {
  return el("details", {}, el("summary", {}, t("details")), el("pre", { tabindex: "0", dir: "auto" }, rawOf(error)));
}

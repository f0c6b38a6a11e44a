// Which cards of a batch are shown, and in which order: by status, by name, sorted.

import { failedKey } from "./counts.js";
import { el, menu } from "./dom.js";
import { shownStatus, statusWord } from "./status.js";
import { t } from "./words.js";

const FILTERS = ["all", "in_progress", "queued", "completed", "cut_short", "failed", "cancelled"];
const ENDED_BADLY = ["failed", "expired"];
// What one wants to see first when cards are sorted by status: what needs a person, then what moves.
const URGENCY = ["failed", "expired", "cut_short", "in_progress", "queued", "cancelled", "completed"];
const SORTS = ["place", "status", "name", "longest", "shortest"];

// Those that are not the word for one status.
const WORDS = { all: () => t("home.all"), cut_short: () => t("status.incomplete"), failed: (jobs) => failedWord(jobs) };

const is = (job, filter) =>
  filter === "all" || (filter === "failed" ? ENDED_BADLY.includes(job.status) : shownStatus(job) === filter);

export class CardFilters {
  chosen = "all";
  #buttons = el("div", { class: "filters", role: "group", "aria-label": t("home.show") });
  #find;
  #sort;

  /** `nameOf(job)` gives the name that is shown; `onChange()` is called when something else is to be shown, `onAll()` instead
   *  when somebody asks for all.
   */
  constructor({ nameOf, onChange, onAll }) {
    this.onAll = onAll;
    this.nameOf = nameOf;
    this.onChange = onChange;
    this.#find = el("input", {
      type: "search",
      placeholder: t("find.placeholder"),
      "aria-label": t("find.label"),
      oninput: onChange,
    });
    const sorts = SORTS.map((value) => [value, t(`sort.${value}`)]);
    this.#sort = menu({ "aria-label": t("sort.label"), onchange: onChange }, sorts);
    this.node = el("div", { class: "tools" }, this.#buttons, el("div", { class: "sorting" }, this.#sort, this.#find));
  }

  /** Whether all cards are shown, so that what stands for many may stand in their place. */
  get showsAll() {
    return this.chosen === "all" && !this.#find.value.trim();
  }

  /** The jobs to show, in order. */
  list(jobs) {
    const sought = this.#find.value.trim().toLowerCase();
    const listed = jobs.filter(
      (job) => is(job, this.chosen) && (!sought || this.nameOf(job).toLowerCase().includes(sought)),
    );
    this.#showButtons(jobs);
    return sorted(listed, this.#sort.value, this.nameOf);
  }

  #showButtons(jobs) {
    FILTERS.forEach((name, place) => {
      const found = jobs.filter((job) => is(job, name));
      const count = found.length;
      let button = this.#buttons.children[place];
      if (!button) {
        button = el("button", { type: "button", onclick: () => this.#choose(name) });
        this.#buttons.append(button);
      }
      const word = WORDS[name]?.(found) ?? statusWord(name);
      button.textContent = t("filter.count", { word, count });
      button.setAttribute("aria-pressed", String(name === this.chosen));
      button.hidden = count === 0 && name !== this.chosen && name !== "all";
    });
  }

  #choose(name) {
    this.chosen = name;
    if (name === "all") this.onAll();
    else this.onChange();
  }
}

function failedWord(jobs) {
  const expired = jobs.filter(({ status }) => status === "expired").length;
  return t(failedKey({ failed: jobs.length, cancelled: 0, expired }));
}

/** A new list in this order. Jobs that are alike keep their place in the batch. */
export function sorted(jobs, order, nameOf) {
  const by = {
    status: (one, other) => URGENCY.indexOf(shownStatus(one)) - URGENCY.indexOf(shownStatus(other)),
    name: (one, other) => nameOf(one).localeCompare(nameOf(other), undefined, { numeric: true }),
    longest: (one, other) => (other.bytes ?? 0) - (one.bytes ?? 0),
    shortest: (one, other) => (one.bytes ?? Infinity) - (other.bytes ?? Infinity) || 0,
  }[order];
  return by ? [...jobs].sort(by) : jobs;
}

// Statuses as one sees them: a sign, a word and a colour, never the colour alone.

import { el, shape } from "./dom.js";
import { t, wordFor } from "./words.js";

// One stroke each, on a field of 16 by 16.
const SIGNS = {
  queued: "M8 2.5a5.5 5.5 0 1 0 .01 0",
  validating: "M8 2.5a5.5 5.5 0 1 0 .01 0",
  in_progress: "M3 13l1-3.5L11.5 2 14 4.5 6.5 12z",
  finalizing: "M3 13l1-3.5L11.5 2 14 4.5 6.5 12z",
  completed: "M3 8.5l3.5 3.5L13 4.5",
  cut_short: "M3 4h10M3 8h10M3 12h3.5",
  failed: "M4 4l8 8M12 4l-8 8",
  partly_failed: "M8 2.5v7M8 12.8v.4",
  on_hold: "M5.5 3.5v9M10.5 3.5v9",
  cancelled: "M3.5 8h9",
  cancelling: "M3.5 8h9",
  expired: "M8 4v4.5l3 2M8 1.8a6.2 6.2 0 1 0 .01 0",
};

/** Whether a job or a batch with this status has ended. */
export const isFinal = (status) => ["completed", "failed", "cancelled", "expired"].includes(status);

/** How a job's status is shown: a completed text that was cut short must not look like a whole one. */
export const shownStatus = (job) => (job.incomplete ? "cut_short" : job.status);

/** How a batch's status is shown: of one that writes nothing, nobody should think that it is written. */
export function shownBatchStatus({ status, hold, request_counts: counts }) {
  if (status !== "in_progress" || counts.in_progress) return status;
  if (counts.total && counts.completed + counts.failed >= counts.total) return "finalizing";
  return hold ? "on_hold" : "queued";
}

/** The word for a status. */
export const statusWord = (status) => wordFor("status", status);

const UNSURE = { no_end_sign: "status.maybe_cut", doubtful_seam: "status.doubtful" };

/** The word for a job's status: of one that may be cut or wrong nobody knows. */
export const jobStatusWord = (job) =>
  Object.hasOwn(UNSURE, job.incomplete?.reason) ? t(UNSURE[job.incomplete.reason]) : statusWord(shownStatus(job));

/** A job's status with its sign. */
export function jobBadge(job) {
  const made = el("span", { class: "badge" });
  setJobBadge(made, job);
  return made;
}

/** Make a badge show a job's status. */
export const setJobBadge = (made, job) => setBadge(made, shownStatus(job), jobStatusWord(job));

/** A status with its sign. */
export function badge(status) {
  const made = el("span", { class: "badge" });
  setBadge(made, status);
  return made;
}

/** Make a badge show another status; with `words`, say these. */
export function setBadge(made, status, words = statusWord(status)) {
  if (made.dataset.status === status && made.textContent === words) return;
  made.dataset.status = status;
  made.replaceChildren(sign(status), words);
}

const sign = (status) =>
  shape("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, shape("path", { d: SIGNS[status] ?? SIGNS.queued }));

const PARTS = ["whole", "cut_short", "failed", "cancelled", "in_progress"];

/** A bar of counts by status. `counts` has `completed`, `incomplete`, `failed`, of these `cancelled`, `in_progress` and `total`. */
export class ProgressBar {
  constructor(label) {
    this.node = el("div", { class: "progress", role: "progressbar", "aria-label": label, "aria-valuemin": "0" });
    this.parts = PARTS.map((name) => {
      const part = el("span", { class: `part ${name}` });
      this.node.append(part);
      return [name, part];
    });
  }

  show(counts) {
    const ended = counts.completed + counts.failed;
    const { total, failed, in_progress: writing, incomplete = 0, cancelled = 0 } = counts;
    const whole = counts.completed - incomplete;
    const sizes = { whole, cut_short: incomplete, failed: failed - cancelled, cancelled, in_progress: writing };
    this.node.setAttribute("aria-valuemax", String(counts.total));
    this.node.setAttribute("aria-valuenow", String(ended));
    this.node.setAttribute("aria-valuetext", t("progress.value", { ended, total, writing, failed }));
    // Set as properties: the page's policy refuses style attributes.
    for (const [name, part] of this.parts) part.style.flexGrow = String(sizes[name]);
    this.node.style.setProperty("--rest", String(Math.max(0, total - ended - writing)));
  }
}

// What is said of a job in place of its text, or above it.

import { el, setText } from "./dom.js";
import { isFinal } from "./status.js";
import { calledTool } from "./tool_calls.js";
import { whyItWaits } from "./waiting_words.js";
import { has, t } from "./words.js";

// Of these the text may be whole; it is only not what was asked for.
const NOT_AS_ASKED = new Set(["not_accepted", "schema_mismatch"]);

/** Whether the job failed with a text that is not as it was asked for. */
export const wasNotAsAsked = (job) => job.status === "failed" && NOT_AS_ASKED.has(job.error?.code);

/** Why a completed text is not whole; empty for a whole one. */
export const whyCutShort = (job) =>
  job.incomplete ? t(has(`cut.${job.incomplete.reason}`) ? `cut.${job.incomplete.reason}` : "cut.other", job.incomplete) : "";

/** What must be said above an ended text that could pass for a whole one. */
function cutShort(job) {
  if (!isFinal(job.status)) return "";
  if (wasNotAsAsked(job)) return t("rejected.title");
  if (job.status !== "completed") return t(`incomplete.${job.status}`);
  return whyCutShort(job);
}

/** What must be said above this `JobText` of a job; empty for one that is whole or grows. */
export function aboveText(job, text) {
  if (job.status === "queued") return text.bytes ? t("note.left", { why: whyItWaits(job, job) }) : "";
  return job.bytes ? cutShort(job) : "";
}

/** The line above a `JobText` that says it. */
export class AboveText {
  node = el("p", { class: "cut", hidden: true });

  constructor(text) {
    this.text = text;
  }

  show(job) {
    const words = aboveText(job, this.text);
    setText(this.node, words);
    this.node.hidden = !words;
    this.node.className = job.status === "queued" ? "cut waits" : "cut";
  }
}

/** What stands where the text will be, while there is none. */
export function noteOf(job) {
  switch (job.status) {
    case "queued":
      return t("note.queued", { why: whyItWaits(job, job) });
    case "in_progress":
      return t("note.writing");
    case "completed":
      return t(calledTool(job) ? "note.tool" : "note.empty");
    default:
      return t("note.nothing");
  }
}

/** Which parameters of the request were sent to the upstream by another name, or not at all: a sentence for each. */
export function changedParameters(job) {
  return Object.entries(job.message?.changed_parameters ?? {}).map(([name, other]) =>
    other ? t("details.changed.renamed", { name, other }) : t("details.changed.not_sent", { name }),
  );
}

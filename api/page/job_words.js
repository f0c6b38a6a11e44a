// What is said of a job in place of its text, or above it.

import { isFinal } from "./status.js";
import { calledTool } from "./tool_calls.js";
import { whyItWaits } from "./waiting_words.js";
import { t } from "./words.js";

const ENDED = { failed: "failed", cancelled: "was cancelled", expired: "expired" };

// Of these the text may be whole; it is only not what was asked for.
const NOT_AS_ASKED = new Set(["not_accepted", "schema_mismatch"]);

const CUT_SHORT = {
  max_output_tokens: "Cut short: the text reached the token limit.",
  content_filter: "Cut short: the upstream's content filter stopped the text.",
  context_window: t("cut.context_window"),
};

/** Whether the job failed with a text that is not as it was asked for. */
export const wasNotAsAsked = (job) => job.status === "failed" && NOT_AS_ASKED.has(job.error?.code);

/** Why a completed text is not whole; empty for a whole one. */
export const whyCutShort = (job) =>
  job.incomplete ? (CUT_SHORT[job.incomplete.reason] ?? `Cut short: ${job.incomplete.reason}.`) : "";

/** What must be said above a text that could pass for a whole one. */
export function cutShort(job) {
  if (!isFinal(job.status)) return "";
  if (wasNotAsAsked(job)) return t("rejected.title");
  if (job.status !== "completed") return `Incomplete: it ${ENDED[job.status]} before its end.`;
  return whyCutShort(job);
}

/** What stands where the text will be, while there is none. */
export function noteOf(job) {
  switch (job.status) {
    case "queued":
      return `${whyItWaits(job, job)} The text appears here as it is written.`;
    case "in_progress":
      return "The model has not written anything yet.";
    case "completed":
      return calledTool(job) ? "The model called a tool." : "The model answered with an empty text.";
    default:
      return "Nothing was written.";
  }
}

// What is said of a job in place of its text, or above it.

import { isFinal, statusWord } from "./status.js";

/** What must be said above a text that could pass for a whole one. */
export function cutShort(job) {
  if (!isFinal(job.status)) return "";
  if (job.status !== "completed") return `Not a whole text: ${statusWord(job.status).toLowerCase()} before its end.`;
  return ["length", "content_filter"].includes(job.finish_reason)
    ? "Cut short by the upstream, as it says itself."
    : "";
}

/** What stands where the text will be, while there is none. */
export function noteOf(job) {
  switch (job.status) {
    case "queued":
      return job.attempt
        ? `The last attempt did not end well. Attempt ${job.attempt + 1} will begin by itself.`
        : "Waits for its turn. The text appears here as soon as it is written.";
    case "in_progress":
      return "The model has not said anything yet.";
    case "completed":
      return "The model answered with an empty text.";
    default:
      return "Nothing was written.";
  }
}

// Why an article began anew: what became of the attempt before.

import { sentenceOf } from "./faults.js";
import { t, wordFor } from "./words.js";

const LOST = "lost";

/** The number of the attempt that ended last, before the one that runs or has completed; 0 where nobody asks for it. */
export function endedBefore({ status, attempt }) {
  if (status === "queued") return attempt;
  return status === "in_progress" || status === "completed" ? Math.max(0, attempt - 1) : 0;
}

/** What went wrong with an attempt. The error of a lost one would say what its job fails with: that each was lost. */
export const ownError = ({ outcome, error }) => (outcome === LOST ? null : error);

function endOf(attempt) {
  const error = ownError(attempt);
  return error ? sentenceOf(error) : t("sentence", { sentence: wordFor("attempt", attempt.outcome) });
}

/** The line on a card that says it; empty for an article at its first attempt. `attempts` are those that are known. */
export function whyAnew(job, attempts) {
  const number = endedBefore(job);
  const before = number && attempts.find(({ attempt, outcome }) => attempt === number && outcome);
  if (!before) return "";
  return t("card.anew", { now: number + 1, why: endOf(before) });
}

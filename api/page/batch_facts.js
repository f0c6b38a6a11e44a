// The figures of a batch, under its bar.

import { failedKey } from "./counts.js";
import { duration, number, rate } from "./format.js";
import { isFinal } from "./status.js";
import { t } from "./words.js";

/** The rows of `Facts` for a batch `withCounts`. `written` are tokens, a guess while texts are growing. */
export function factRows(batch, { written, isGrowing, speed, submitted }) {
  const { total, completed, failed, in_progress: writing, incomplete, cancelled } = batch.request_counts;
  const waiting = total - completed - failed - writing;
  return [
    [t("status.completed"), t("facts.of", { count: completed, total })],
    incomplete ? [t("status.incomplete"), number(incomplete)] : null,
    failed > cancelled ? [t(failedKey(batch.request_counts)), number(failed - cancelled)] : null,
    cancelled ? [t("status.cancelled"), number(cancelled)] : null,
    writing ? [t("facts.writing"), number(writing)] : null,
    waiting > 0 ? [t("status.queued"), number(waiting)] : null,
    written ? [t("facts.written"), t(isGrowing ? "tokens.about" : "tokens.written", { count: written })] : null,
    batch.usage?.input_tokens ? [t("facts.read"), t("tokens.written", { count: batch.usage.input_tokens })] : null,
    speed ? [t("facts.rate"), t("live.rate", { rate: rate(speed) })] : null,
    tookRow(batch),
    [t("facts.submitted"), submitted],
  ];
}

/** How long it ran: after a retry since that, as the pause before it was no work. */
function tookRow(batch) {
  const ended = batch.completed_at ?? batch.failed_at ?? batch.cancelled_at ?? batch.expired_at;
  const { created_at: made, in_progress_at: begun } = batch;
  if (!isFinal(batch.status) || !ended) return null;
  return begun > made ? [t("facts.last_run"), duration(ended - begun)] : [t("facts.took"), duration(ended - made)];
}

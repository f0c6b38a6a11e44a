// What became of a batch, and how far it is: in words, and in a colour that says what happened, not what its status is.

import { isFinal, shownBatchStatus, statusWord } from "./status.js";
import { duration } from "./format.js";
import { t } from "./words.js";

/** `{sign, words}` of a batch `withCounts`: `sign` is a status whose sign and colour it has. */
export function outcomeOf(batch) {
  const status = shownBatchStatus(batch);
  const { total, completed, failed, incomplete = 0, cancelled } = batch.request_counts;
  const failures = failed - cancelled;
  const cut = incomplete ? t("outcome.cut", { count: incomplete }) : "";
  const lost = failures ? t("outcome.failed", { count: failures }) : "";
  const gone = cancelled ? t("outcome.cancelled", { count: cancelled }) : "";
  // Whatever its batch is called: a click that came after the last text had ended took nothing away.
  const isWhole = total > 0 && completed === total && isFinal(status);
  if (isWhole || status === "completed" || (status === "failed" && total)) {
    if (failures && failures >= total) return { sign: "failed", words: lost };
    if (cancelled && cancelled >= total) return { sign: "cancelled", words: gone };
    if (failures) {
      const words = t("outcome.with_failures", { count: failures });
      return { sign: "partly_failed", words: [words, gone, cut].reduce(joined) };
    }
    if (cut) return { sign: "cut_short", words: joined(cut, gone) };
    return { sign: "completed", words: joined(statusWord("completed"), gone) };
  }
  if (isFinal(status)) {
    const words = total ? t("outcome.stopped", { status: statusWord(status), completed, total }) : statusWord(status);
    return { sign: status, words: status === "cancelled" ? joined(words, lost) : words };
  }
  // What is being written when a hold begins goes on; the rest waits.
  const waiting = total - completed - failed - (batch.request_counts.in_progress ?? 0);
  const rest = batch.hold && status === "in_progress" && waiting > 0 ? t("outcome.rest_on_hold") : "";
  return { sign: status, words: [statusWord(status), rest, lost, gone, cut].reduce(joined) };
}

const joined = (first, second) => (second ? t("outcome.joined", { first, second }) : first);

/** How much of a batch has ended, in whole percent; 100 only when all has. */
export function percentOf({ total, completed, failed }) {
  return total ? Math.floor(((completed + failed) / total) * 100) : 0;
}

/** How many of these jobs are completed, and the tokens of their texts: those of attempts that were lost say nothing. */
export function ofCompleted(jobs) {
  let completed = 0;
  let tokens = 0;
  for (const { status, usage } of jobs) {
    if (status !== "completed") continue;
    completed += 1;
    tokens += usage?.output_tokens ?? 0;
  }
  return { completed, tokens };
}

/** Seconds until all is written, at the speed of now; null as long as that is not known.
 *  `tokens` are of all that are completed, `writtenNow` of the `writing` ones. Once those are as long as the ended ones were,
 *  nobody can tell how long they become.
 */
export function secondsLeft({ left, completed, tokens, writing, writtenNow, speed }) {
  if (!left || !completed || !tokens || !speed) return null;
  const average = tokens / completed;
  return writtenNow >= writing * average ? null : (left * average - writtenNow) / speed;
}

/** The line under the bar: percent, and the time left where it is known, or `why` nothing is written. */
export function progressLine(batch, seconds, why = "") {
  if (isFinal(batch.status)) return "";
  const { total, completed, failed } = batch.request_counts;
  const share = t("progress.percent", { percent: percentOf(batch.request_counts) });
  // As long as nothing has failed, what has ended is what is completed.
  const percent = failed ? t("progress.ended", { ended: completed + failed, total, percent: share }) : share;
  if (shownBatchStatus(batch) === "on_hold") return `${percent} · ${t("progress.paused")}`;
  if (why && shownBatchStatus(batch) === "queued") return `${percent} · ${why}`;
  return seconds === null ? percent : `${percent} · ${t("progress.left", { time: duration(roughly(seconds)) })}`;
}

/** An estimate that does not pretend: to 5 seconds, to half a minute, to 5 minutes. */
export function roughly(seconds) {
  const step = seconds < 60 ? 5 : seconds < 900 ? 30 : 300;
  return Math.max(step, Math.round(seconds / step) * step);
}

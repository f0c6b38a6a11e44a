// Why something waits, and what to do about it: a sentence for each reason that the API gives, and no others.

import { inWords } from "./faults.js";
import { clock, time, timeToCome } from "./format.js";
import { has, pieces, t } from "./words.js";

const REASONS = ["paused", "credit", "key", "limit", "url", "away"];

/** The part of a key that is the hold's reason; one of a later version is only called a hold. */
const reasonOf = (hold) => (REASONS.includes(hold.reason) ? hold.reason : "other");

/** The first sentence of a hold: what is held, and why. */
export const holdTitle = (hold) =>
  t(`hold.${reasonOf(hold)}`, { what: t(`hold.what.${hold.kind}`, { name: hold.target }) });

/** What to do about a hold, and what happens by itself; strings and elements. */
export function holdAdvice(hold) {
  const parts = [...pieces("hold.began", { when: time(hold.since) }), t("sentence.space"), todoFor(hold)];
  if (hold.probe_at === null) return parts;
  const key = hold.may_resume ? "hold.probe" : "hold.probe.operator";
  return [...parts, t("sentence.space"), ...pieces(key, { when: timeToCome(hold.probe_at) })];
}

function todoFor(hold) {
  if (hold.reason === "paused") return t(hold.may_resume ? "hold.paused.todo" : "hold.paused.operator");
  if (!hold.may_resume) return t("hold.operator");
  const named = `hold.${reasonOf(hold)}.todo_url`;
  if (hold.url && has(named)) return t(named, { url: hold.url });
  return t(`hold.${reasonOf(hold)}.todo`);
}

const NOT_REACHED = /^No connection to /;

/** Whether a message only says that nobody was reached, which the title says already. */
const isOurs = ({ reason, message }) => reason === "away" && NOT_REACHED.test(message);

/** What was said when it was held: by the upstream, or by who paused it; empty when that is nothing new. */
export function holdMessage(hold) {
  if (hold.held_by !== "person") return hold.message && !isOurs(hold) ? t("hold.said", { message: inWords(hold.message) }) : "";
  return hold.message === `the ${hold.kind} was paused` ? "" : hold.message;
}

/** Why a queued article waits. `waits` is what the API says of it, or null while that is not known. */
export function whyItWaits(job, waits) {
  if (waits?.hold) return t(`hold.${reasonOf(waits.hold)}.card`);
  if (waits?.limited_by === "retry" || (!waits && job.attempt)) {
    const attempt = job.attempt + 1;
    return waits?.limited_until
      ? t("waits.retry_at", { attempt, clock: clock(waits.limited_until) })
      : t("waits.retry", { attempt });
  }
  const key = `waits.${waits?.limited_by}`;
  const words = has(key) ? t(key) : (waits?.limited_by_message ?? t("waits.turn"));
  return waits?.limited_until ? t("waits.until", { words, clock: clock(waits.limited_until) }) : words;
}

// How the attempts at a job went: a bar of its whole time, and for each attempt its wait, upstream, end, segments and text.

import { ownError } from "./anew.js";
import { el } from "./dom.js";
import { showEarlierText } from "./earlier_text.js";
import { sentenceOf } from "./faults.js";
import { duration } from "./format.js";
import { isFinal } from "./status.js";
import { t, wordFor } from "./words.js";

/** A wait that is shorter is not worth a word. */
const LEAST_WAIT = 0.1;
/** So much of the bar is seen of what was short. */
const LEAST_SHARE = 0.01;

/** The nodes: the bar, and the list that says the same in words. */
export function attemptList(job) {
  return [
    timeBar(stretchesOf(job, Date.now() / 1000)),
    el("ol", { class: "attempts" }, ...job.attempts.map((attempt, at) => attemptItem(job, attempt, waitedFor(job, at)))),
  ];
}

/** The time of a job from its submission on, as `{kind, seconds, words}`: waits and attempts, one after the other. */
export function stretchesOf(job, now) {
  const stretches = [];
  job.attempts.forEach((attempt, at) => {
    const waited = waitedFor(job, at);
    if (waited >= LEAST_WAIT) stretches.push(waitOf(waited));
    const seconds = Math.max(0, (attempt.finished_at ?? now) - attempt.started_at);
    const outcome = attempt.outcome ?? "running";
    const words = t("attempt.line", { attempt: attempt.attempt, words: `${endOf(job, attempt)} · ${duration(seconds)}` });
    stretches.push({ kind: outcome, seconds, words });
  });
  const last = job.attempts.at(-1).finished_at;
  if (!isFinal(job.status) && last && now - last >= LEAST_WAIT) stretches.push(waitOf(now - last));
  return stretches;
}

const waitOf = (seconds) => ({ kind: "wait", seconds, words: t("attempt.waited", { time: duration(seconds) }) });

/** The wait for an attempt began at the end of the one before, or when the job was submitted. */
function waitedFor(job, at) {
  const before = at ? job.attempts[at - 1].finished_at : job.created_at;
  return before ? Math.max(0, job.attempts[at].started_at - before) : 0;
}

function timeBar(stretches) {
  const total = stretches.reduce((sum, { seconds }) => sum + seconds, 0);
  const bar = el("div", { class: "time-bar", "aria-hidden": "true" });
  for (const { kind, seconds, words } of stretches) {
    const piece = el("span", { "data-kind": kind, title: words });
    piece.style.flexGrow = String(Math.max(seconds, total * LEAST_SHARE) || 1);
    bar.append(piece);
  }
  return bar;
}

/** A text that was cut short ends a completed attempt: the last one of its job. */
const endOf = (job, { attempt, outcome }) =>
  wordFor("attempt", outcome === "completed" && job.incomplete && attempt === job.attempt ? "cut_short" : (outcome ?? "running"));

const joined = (...words) => words.filter(Boolean).join(" · ");
const small = (words, kind = "") => (words ? el("p", { class: `small${kind}` }, words) : null);

function attemptItem(job, attempt, waited) {
  const how = joined(
    attempt.upstream ? t("attempt.at", { upstream: attempt.upstream }) : "",
    waited >= LEAST_WAIT ? t("attempt.waited", { time: duration(waited) }) : "",
  );
  const took = attempt.finished_at ? duration(attempt.finished_at - attempt.started_at) : "";
  const words = joined(endOf(job, attempt), took);
  const wrote = joined(
    attempt.bytes !== null && attempt.bytes !== undefined ? t("bytes", { count: attempt.bytes }) : "",
    attempt.usage?.output_tokens ? t("tokens.written", { count: attempt.usage.output_tokens }) : "",
  );
  const continued = attempt.continued_bytes ? t("attempt.continued", { bytes: attempt.continued_bytes }) : "";
  return el(
    "li",
    { "data-kind": attempt.outcome ?? "running" },
    el("p", {}, t("attempt.line", { attempt: attempt.attempt, words })),
    small(how),
    small(wrote),
    small(continued),
    segmentList(attempt),
    ownError(attempt) ? small(sentenceOf(attempt.error), " fault") : null,
    readButton(job, attempt),
  );
}

/** What each request of an attempt wrote, where there were several. */
function segmentList({ attempt, segments }) {
  const own = (segments ?? []).filter((segment) => segment.attempt === attempt);
  if (!own.length || segments.length < 2) return null;
  const items = own.map(({ bytes, upstream, finish_reason: why }) =>
    el("li", {}, joined(t("bytes", { count: bytes }), t("attempt.at", { upstream }), wordFor("segment", why ?? "none"))),
  );
  return el("ol", { class: "segments small", "aria-label": t("attempt.segments") }, ...items);
}

/** A way to an earlier text that is kept; the newest one is the article itself. */
function readButton(job, attempt) {
  const shown = isFinal(job.status) ? job.text_attempt : job.attempt;
  if (attempt.attempt === shown || !job.kept_texts?.includes(attempt.attempt)) return null;
  return el("button", { type: "button", class: "small", onclick: () => showEarlierText(job, attempt) }, t("earlier.read"));
}

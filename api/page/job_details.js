// What there is to know of a job beside its text: what was asked, what it cost, and how its attempts went.

import { attemptList } from "./attempt_list.js";
import { el, put } from "./dom.js";
import { detailsOf } from "./failure_groups.js";
import { sentenceOf } from "./faults.js";
import { duration, number, rate, time } from "./format.js";
import { changedParameters, wasNotAsAsked, whyCutShort } from "./job_words.js";
import { contentText } from "./names.js";
import { isFinal, jobStatusWord } from "./status.js";
import { t, wordFor } from "./words.js";

/** Show the sections about a job in this element; what was opened in it stays open. */
export function showDetails(node, job) {
  const folds = () => [...node.querySelectorAll("details")];
  const before = folds().map((fold) => [fold.open, fold.querySelector("summary") === document.activeElement]);
  put(
    node,
    errorSection(job),
    cutSection(job),
    requestSection(job),
    usageSection(job),
    job.attempts?.length ? section(t("details.attempts"), ...attemptList(job)) : null,
    factsSection(job),
  );
  const after = folds();
  if (after.length !== before.length) return;
  after.forEach((fold, place) => {
    [fold.open] = before[place];
    if (before[place][1]) fold.querySelector("summary").focus();
  });
}

function section(title, ...content) {
  return el("section", {}, el("h2", {}, title), ...content);
}

function errorSection(job) {
  if (!job.error) return null;
  return section(errorTitle(job), el("p", { class: "fault", dir: "auto" }, sentenceOf(job.error)), detailsOf(job.error));
}

function errorTitle(job) {
  if (!isFinal(job.status)) return t("details.last_fault");
  if (wasNotAsAsked(job)) return t("rejected.why");
  return job.status === "failed" ? t("details.failed") : t("details.incomplete");
}

function cutSection(job) {
  const why = whyCutShort(job);
  if (!why) return null;
  return section(jobStatusWord(job), el("p", { class: "fault" }, why), el("p", { class: "small" }, job.incomplete.reason));
}

function requestSection(job) {
  if (!job.request) return null;
  const { messages = [], model, ...rest } = job.request;
  const settings = { ...rest, ...ownSettings(job) };
  const count = Object.keys(settings).length;
  const cells = Object.entries(job.cells ?? {}).map(([name, text]) => [name, el("span", { dir: "auto" }, text)]);
  return section(
    t("details.request"),
    ...messages.map((message) =>
      el(
        "figure",
        { class: "message" },
        el("figcaption", {}, wordFor("role", message.role)),
        el("p", { dir: "auto" }, contentText(message.content)),
      ),
    ),
    el("p", { class: "small" }, t("details.model", { model })),
    count
      ? el(
          "details",
          {},
          el("summary", {}, t("details.settings", { count })),
          el("pre", { tabindex: "0" }, JSON.stringify(settings, null, 2)),
        )
      : null,
    cells.length ? el("details", {}, el("summary", {}, t("details.cells", { count: cells.length })), facts(cells)) : null,
  );
}

/** What was asked of Longhand itself, as it was submitted: all that differs from what holds when nothing is said. */
function ownSettings(job) {
  const asked = {
    upstream: job.only_upstream ?? undefined,
    priority: job.priority || undefined,
    max_attempts: job.max_attempts === 3 ? undefined : job.max_attempts,
    on_interrupt: job.on_interrupt === "restart" ? undefined : job.on_interrupt,
    on_length: job.on_length === "stop" ? undefined : job.on_length,
    max_continuations: job.max_continuations ?? undefined,
    expires_after: job.expires_after ?? undefined,
  };
  if (job.accept) Object.assign(asked, { accept: job.accept, on_reject: job.on_reject, max_repairs: job.max_repairs });
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
}

function usageSection(job) {
  const { usage } = job;
  if (!usage) return null;
  const seconds = job.finished_at && job.first_delta_at ? job.finished_at - job.first_delta_at : 0;
  return section(
    t("details.tokens"),
    facts([
      [t("facts.read"), number(usage.input_tokens)],
      usage.cached_tokens ? [t("details.cached"), number(usage.cached_tokens)] : null,
      [t("facts.written"), number(usage.output_tokens)],
      usage.reasoning_tokens ? [t("details.reasoning"), number(usage.reasoning_tokens)] : null,
      seconds > 0.5 && usage.output_tokens ? [t("facts.rate"), t("details.rate", { rate: rate(usage.output_tokens / seconds) })] : null,
      [t("details.source"), wordFor("source", usage.source)],
    ]),
  );
}

function factsSection(job) {
  const metadata = Object.entries(job.metadata ?? {});
  const changed = changedParameters(job);
  return section(
    t("details.facts"),
    facts([
      [t("facts.submitted"), time(job.created_at)],
      job.started_at ? [t("details.started"), time(job.started_at)] : null,
      job.first_delta_at && job.started_at
        ? [t("details.first_words"), duration(job.first_delta_at - job.started_at)]
        : null,
      job.finished_at ? [t("details.ended"), time(job.finished_at)] : null,
      job.due_at > Date.now() / 1000 && job.attempt && !isFinal(job.status) ? [t("details.next_attempt"), time(job.due_at)] : null,
      job.expires_at && !isFinal(job.status) ? [t("details.expires"), time(job.expires_at)] : null,
      job.bytes !== null && job.bytes !== undefined ? [t("details.stored"), t("bytes", { count: job.bytes })] : null,
      job.text_attempt && job.text_attempt !== job.attempt
        ? [t("details.text_of"), t("details.text_of.attempt", { attempt: job.text_attempt })]
        : null,
      job.status === "completed" && job.finish_reason !== "stop"
        ? [t("details.finish"), job.finish_reason ?? t("details.finish.none")]
        : null,
      job.sha256 ? ["SHA-256", el("code", { title: job.sha256 }, `${job.sha256.slice(0, 12)}…`)] : null,
      changed.length ? [t("details.changed"), el("div", {}, ...changed.map((words) => el("div", {}, words)))] : null,
      ...metadata.map(([name, value]) => [name, value]),
      [t("details.id"), el("code", {}, job.id)],
    ]),
  );
}

function facts(rows) {
  return el(
    "dl",
    { class: "rows" },
    ...rows.filter(Boolean).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

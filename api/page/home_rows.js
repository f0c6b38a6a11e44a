// The rows of the home view: a batch with how far it is, a single article with what it has come to.

import { withCounts } from "./counts.js";
import { el, setText } from "./dom.js";
import { sentenceOf } from "./faults.js";
import { short, time } from "./format.js";
import { batchName, jobName } from "./names.js";
import { outcomeOf, progressLine } from "./outcome.js";
import { ProgressBar, badge, isFinal, jobBadge, setBadge, setJobBadge } from "./status.js";
import { t } from "./words.js";

export class BatchRow {
  constructor(batch) {
    this.link = el("a", { href: `#/batches/${batch.id}`, dir: "auto" }, batchName(batch));
    this.badge = badge(batch.status);
    this.bar = new ProgressBar(t("progress.of", { name: batchName(batch) }));
    this.counts = el("p", { class: "counts" });
    this.node = el(
      "li",
      { class: "batch-row" },
      el("div", { class: "row-head" }, el("h2", {}, this.link), this.badge),
      this.bar.node,
      el("div", { class: "row-foot" }, this.counts, el("p", { class: "when" }, time(batch.created_at))),
    );
  }

  show(read) {
    const batch = withCounts(read);
    const { sign, words } = outcomeOf(batch);
    setBadge(this.badge, sign, words);
    this.bar.show(batch.request_counts);
    setText(this.counts, countsLine(batch));
    const why = whyTokens(batch);
    if (this.counts.title !== why) this.counts.title = why;
  }
}

/** The counts of a batch in words. */
export function countsLine(batch) {
  const { total, completed, failed, in_progress: writing, incomplete } = batch.request_counts;
  const words = [t("counts.completed", { completed: short(completed), total: short(total) })];
  if (!isFinal(batch.status)) words.unshift(progressLine(batch, null));
  if (incomplete) words.push(t("outcome.cut", { count: incomplete }));
  if (writing) words.push(t("counts.writing", { count: writing }));
  if (failed) words.push(t("counts.failed", { count: failed }));
  const count = batch.usage?.output_tokens;
  // They are of attempts: as long as no article has ended, of such as came to nothing.
  if (count) words.push(t(tokensKey(batch), { count }));
  return words.join(" · ");
}

const WHY = { "tokens.ended": "tokens.ended.why", "tokens.lost": "tokens.lost.why" };

function tokensKey({ status, request_counts: { completed, failed } }) {
  if (isFinal(status)) return "tokens.written.list";
  return completed + failed ? "tokens.ended" : "tokens.lost";
}

/** What its tokens are, for who points at them; empty where they need no word. */
function whyTokens(batch) {
  const key = batch.usage?.output_tokens ? WHY[tokensKey(batch)] : null;
  return key ? t(key) : "";
}

export class ArticleRow {
  constructor(job, prompts) {
    this.prompts = prompts;
    this.link = el("a", { href: `#/jobs/${job.id}`, dir: "auto" });
    this.badge = jobBadge(job);
    this.facts = el("p", { class: "counts", dir: "auto" });
    this.node = el(
      "li",
      { class: "batch-row article-row" },
      el("div", { class: "row-head" }, el("h2", {}, this.link), this.badge),
      el("div", { class: "row-foot" }, this.facts, el("p", { class: "when" }, time(job.created_at))),
    );
  }

  show(job) {
    setJobBadge(this.badge, job);
    setText(this.link, jobName(job, { prompt: job.custom_id ? "" : this.prompts.of(job.id) }));
    const tokens = job.usage?.output_tokens ? t("tokens.written.list", { count: job.usage.output_tokens }) : null;
    const error = job.error && job.status !== "completed" ? sentenceOf(job.error) : null;
    setText(this.facts, [job.model, tokens, error].filter(Boolean).join(" · "));
  }
}

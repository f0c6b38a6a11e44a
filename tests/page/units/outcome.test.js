import assert from "node:assert/strict";
import { test } from "node:test";

import { countsOf, failedKey, withCounts } from "../../../api/page/counts.js";
import { groupsOf, sentenceOf } from "../../../api/page/faults.js";
import { ofCompleted, outcomeOf, percentOf, progressLine, roughly, secondsLeft } from "../../../api/page/outcome.js";

const batch = (status, counts, hold = null) => ({
  status,
  hold,
  request_counts: { total: 10, completed: 0, failed: 0, in_progress: 0, incomplete: 0, ...counts },
});

test("the words and the colour of a batch are those of what happened", () => {
  const cases = [
    ["completed", { completed: 10 }, "completed", "Completed"],
    ["completed", { failed: 10 }, "failed", "10 failed"],
    ["completed", { completed: 9, failed: 1 }, "partly_failed", "Completed with 1 failure"],
    ["completed", { completed: 8, failed: 2, incomplete: 1 }, "partly_failed", "Completed with 2 failures, 1 incomplete"],
    ["completed", { completed: 10, incomplete: 1 }, "cut_short", "1 incomplete"],
    ["cancelled", { completed: 3, failed: 7 }, "cancelled", "Cancelled, 3 of 10 completed"],
    ["cancelled", { completed: 10 }, "completed", "Completed"],
    ["expired", { completed: 3, failed: 7 }, "expired", "Expired, 3 of 10 completed"],
    ["failed", { total: 0 }, "failed", "Failed"],
    ["in_progress", { in_progress: 2 }, "in_progress", "Writing"],
    ["in_progress", {}, "queued", "Queued"],
    ["in_progress", { completed: 9 }, "queued", "Queued"],
    ["in_progress", { completed: 10 }, "finalizing", "Finishing"],
    ["in_progress", { in_progress: 2, failed: 3 }, "in_progress", "Writing, 3 failed"],
  ];
  for (const [status, counts, sign, words] of cases) assert.deepEqual(outcomeOf(withCounts(batch(status, counts))), { sign, words });
});

test("a batch that is held while some of it is written says both", () => {
  const held = (counts) => outcomeOf(withCounts(batch("in_progress", counts, { kind: "batch" })));
  assert.deepEqual(held({ in_progress: 2, failed: 1 }), { sign: "in_progress", words: "Writing, the rest on hold, 1 failed" });
  assert.deepEqual(held({ in_progress: 2, completed: 8 }), { sign: "in_progress", words: "Writing" });
  assert.equal(held({ completed: 8 }).words, "On hold");
});

const withStatus = (...statuses) => statuses.map((status) => ({ status }));

test("what was cancelled has not failed", () => {
  const said = (status, ...statuses) => outcomeOf(withCounts(batch(status, { total: statuses.length }), withStatus(...statuses)));
  assert.deepEqual(said("cancelled", "cancelled", "failed", "completed"), {
    sign: "cancelled",
    words: "Cancelled, 1 of 3 completed, 1 failed",
  });
  assert.deepEqual(said("completed", "cancelled", "completed"), { sign: "completed", words: "Completed, 1 cancelled" });
  assert.deepEqual(said("completed", "cancelled", "cancelled"), { sign: "cancelled", words: "2 cancelled" });
  assert.deepEqual(said("completed", "cancelled", "failed", "completed"), {
    sign: "partly_failed",
    words: "Completed with 1 failure, 1 cancelled",
  });
  assert.equal(said("in_progress", "in_progress", "cancelled", "failed").words, "Writing, 1 failed, 1 cancelled");
});

test("the counts of a batch are those of its cards, once all are known", () => {
  const late = batch("in_progress", { total: 2, in_progress: 1 });
  const writing = countsOf(late, withStatus("in_progress", "in_progress"));
  assert.deepEqual([writing.in_progress, writing.completed], [2, 0]);
  assert.equal(countsOf(late, withStatus("in_progress")).in_progress, 1, "one is not known yet");
  const ended = batch("completed", { total: 2, completed: 2 });
  assert.equal(countsOf(ended, withStatus("completed", "in_progress")).completed, 2, "the cards are late");
  const { failed, cancelled, expired } = countsOf(batch("cancelled", { total: 3 }), withStatus("failed", "cancelled", "expired"));
  assert.deepEqual([failed, cancelled, expired], [3, 1, 1], "as in the API, all that ended without a text count as failed");
});

test("without its jobs a batch that was cancelled or has expired is not called a failure", () => {
  assert.equal(countsOf(batch("cancelled", { failed: 7 })).cancelled, 7);
  const key = (status) => failedKey(countsOf(batch(status, { failed: 7 })));
  assert.deepEqual(["completed", "expired"].map(key), ["status.failed", "status.expired"]);
  assert.equal(failedKey({ failed: 3, cancelled: 1, expired: 1 }), "filter.failed");
});

test("a batch that waits says why beside its percent, as soon as that is known", () => {
  const line = (counts, hold) => progressLine(batch("in_progress", counts, hold), null, "Waits for a worker.");
  assert.equal(line({}), "0% · Waits for a worker.");
  assert.equal(line({ in_progress: 1 }), "0%");
  assert.equal(line({}, { kind: "batch" }), "0% · on hold");
});

test("percent is whole and 100 only at the end", () => {
  assert.equal(percentOf({ total: 1000, completed: 990, failed: 9 }), 99);
  assert.equal(percentOf({ total: 0, completed: 0, failed: 0 }), 0);
});

test("the time left is a guess only where there is something to guess from", () => {
  const known = { left: 4, completed: 6, tokens: 600, writing: 2, writtenNow: 100, speed: 30 };
  assert.equal(secondsLeft(known), 10);
  assert.equal(secondsLeft({ ...known, writtenNow: 200 }), null);
  for (const unknown of ["completed", "tokens", "speed", "left"]) assert.equal(secondsLeft({ ...known, [unknown]: 0 }), null);
  assert.equal(progressLine(batch("in_progress", { completed: 4 }), 130), "40% · about 2 min left");
  assert.equal(progressLine(batch("in_progress", { completed: 4 }), null), "40%");
  assert.equal(progressLine(batch("in_progress", { completed: 4 }, { kind: "batch" }), 10), "40% · on hold");
  assert.equal(progressLine(batch("completed", { completed: 10 }), null), "");
  assert.deepEqual([0, 7, 130, 1000].map(roughly), [5, 5, 120, 900]);
});

test("an error is a sentence, and the upstream's reason stands without its JSON", () => {
  const message = '404: {"error": {"message": "no such model", "code": "x"}}';
  assert.equal(sentenceOf({ code: "upstream_rejected", message }), "The upstream rejected the request: no such model.");
  assert.equal(
    sentenceOf({ code: "upstream_connect_failed", message: "ECONNREFUSED 127.0.0.1:1" }),
    "The upstream refused the connection.",
  );
  assert.equal(sentenceOf({ code: "of_a_later_version", message: "it went wrong" }), "it went wrong.");
  assert.equal(sentenceOf({ code: "of_a_later_version" }), "of_a_later_version.");
});

test("the reasons of a rejected text are one sentence, and a message that is not understood stays as it is", () => {
  const told = (message) => sentenceOf({ code: "not_accepted", message: `The text was not accepted: ${message}` });
  assert.equal(told("min_words: asked for 300, found 206 words"), "Not accepted: at least 300 words, found 206.");
  assert.equal(
    told('must_include: asked for "a; b", found nothing like it; must_not_include: asked for the pattern "x+", found "xx"'),
    "Not accepted: “a; b” is missing; what matches “x+” is in it.",
  );
  assert.equal(told("of_a_later_version: asked"), "The text was not accepted: of_a_later_version: asked.");
});

test("three failures that say the same are one group, two are none", () => {
  const failed = (id, code) => ({ id, status: "failed", error: { code, message: id } });
  const jobs = [
    ...["a", "b", "c"].map((id) => failed(id, "upstream_stalled")),
    ...["d", "e"].map((id) => failed(id, "upstream_cut")),
    { id: "f", status: "queued", error: { code: "upstream_stalled" } },
  ];
  assert.deepEqual(
    groupsOf(jobs).map((group) => group.jobs.map(({ id }) => id)),
    [["a", "b", "c"]],
  );
});

test("the length of articles is learned from those that are completed, and not from attempts that were lost", () => {
  const jobs = [
    { status: "completed", usage: { output_tokens: 300 } },
    { status: "completed", usage: null },
    { status: "cancelled", usage: { output_tokens: 60000 } },
    { status: "in_progress", usage: { output_tokens: 10 } },
  ];
  assert.deepEqual(ofCompleted(jobs), { completed: 2, tokens: 300 });
});

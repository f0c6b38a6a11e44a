import assert from "node:assert/strict";
import { test } from "node:test";

import { beABrowser } from "./browser.js";

beABrowser();
const { stretchesOf } = await import("../../../api/page/attempt_list.js");

const attempt = (number, started_at, finished_at, outcome) => ({ attempt: number, started_at, finished_at, outcome });
const kinds = (job, now) => stretchesOf(job, now).map(({ kind, seconds }) => [kind, seconds]);

test("the time of a job is its waits and its attempts, one after the other", () => {
  const attempts = [attempt(1, 102, 105, "failed"), attempt(2, 109, 120, "completed")];
  const job = { status: "completed", created_at: 100, finished_at: 120, attempts };
  assert.deepEqual(kinds(job, 500), [["wait", 2], ["failed", 3], ["wait", 4], ["completed", 11]]);
});

test("what runs lasts until now, and so does the wait for the next attempt", () => {
  const running = { status: "in_progress", created_at: 100, attempts: [attempt(1, 100, null, null)] };
  assert.deepEqual(kinds(running, 107), [["running", 7]]);
  const queued = { status: "queued", created_at: 100, attempts: [attempt(1, 100, 103, "not_accepted")] };
  assert.deepEqual(kinds(queued, 107), [["not_accepted", 3], ["wait", 4]]);
});

test("an attempt whose text was cut short says so", () => {
  const attempts = [attempt(1, 100, 105, "failed"), attempt(2, 105, 120, "completed")];
  const job = { status: "completed", created_at: 100, attempt: 2, incomplete: { reason: "max_output_tokens" }, attempts };
  assert.deepEqual(stretchesOf(job, 500).map(({ words }) => words), ["1. failed · 5 s", "2. completed, but cut short · 15 s"]);
});

test("clocks that differ a little make no negative times", () => {
  const job = { status: "in_progress", created_at: 100, attempts: [attempt(1, 99.5, 99.9, "lost"), attempt(2, 99.8, null, null)] };
  for (const [, seconds] of kinds(job, 99)) assert.ok(seconds >= 0);
});

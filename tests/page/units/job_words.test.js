import assert from "node:assert/strict";
import { test } from "node:test";

import { aboveText, changedParameters } from "../../../api/page/job_words.js";
import { jobStatusWord } from "../../../api/page/status.js";

const queued = { status: "queued", attempt: 1, limited_by: "retry", bytes: null };

test("a text that an attempt left is said to be that, and what becomes of it", () => {
  assert.equal(
    aboveText(queued, { bytes: 9 }),
    "The last attempt failed. Attempt 2 starts by itself. " +
      "Below is what the last attempt left. The next one writes the text anew, or goes on from there if that was asked for.",
  );
  assert.equal(aboveText(queued, { bytes: 0 }), "");
  assert.equal(aboveText({ ...queued, status: "in_progress" }, { bytes: 9 }), "");
});

test("an ended text that is not whole is told, and only where there is one", () => {
  const cut = { status: "completed", incomplete: { reason: "max_output_tokens" }, bytes: 9 };
  assert.match(aboveText(cut, { bytes: 9 }), /token limit/);
  assert.equal(aboveText({ ...cut, bytes: 0 }, { bytes: 0 }), "");
  assert.equal(aboveText({ ...cut, incomplete: null }, { bytes: 9 }), "");
});

test("a text whose seam is in doubt does not look like a whole one", () => {
  const doubtful = { status: "completed", incomplete: { reason: "doubtful_seam" }, bytes: 9 };
  assert.match(aboveText(doubtful, { bytes: 9 }), /To be checked: the text was written in parts/);
  assert.equal(jobStatusWord(doubtful), "To be checked");
  assert.equal(jobStatusWord({ ...doubtful, incomplete: { reason: "content_filter" } }), "Cut short");
});

test("a parameter that was not sent as it was written is named", () => {
  const changed_parameters = { max_tokens: "max_completion_tokens", user: null };
  assert.deepEqual(changedParameters({ message: { changed_parameters } }), ["max_tokens sent as max_completion_tokens", "user not sent"]);
  assert.deepEqual(changedParameters({}), []);
});

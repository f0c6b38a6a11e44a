import assert from "node:assert/strict";
import { test } from "node:test";

import { lengthOf, livePartsOf } from "../../../api/page/live_line.js";

test("a text is as long as its language counts it", () => {
  assert.deepEqual(lengthOf("It's 3.5 well-known words."), { key: "length.words", count: 4 });
  assert.deepEqual(lengthOf("中国茶，始于唐代。"), { key: "length.characters", count: 9 });
  assert.deepEqual(lengthOf("用 Python 写 10 行"), { key: "length.characters", count: 5 });
  assert.deepEqual(lengthOf(""), { key: "length.words", count: 0 });
});

test("a text that grows has a rate and the time since it began, an ended one what it took", () => {
  const text = { text: "One two.", rate: () => 12 };
  const job = { status: "in_progress", started_at: 100, finished_at: null };
  assert.deepEqual(livePartsOf(job, text, 130), ["2 words", "≈ 12 tokens/s", "30 s"]);
  assert.deepEqual(livePartsOf({ ...job, status: "completed", finished_at: 120 }, text, 500), ["2 words", "20 s"]);
  assert.deepEqual(livePartsOf(job, { text: "" }, 130), []);
});

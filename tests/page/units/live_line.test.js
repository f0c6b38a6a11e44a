import assert from "node:assert/strict";
import { test } from "node:test";

import { lengthOf, livePartsOf } from "../../../api/page/live_line.js";

test("a text is as long as its language counts it", () => {
  assert.deepEqual(lengthOf("It's 3.5 well-known words."), { key: "length.words", count: 4 });
  assert.deepEqual(lengthOf("用 Python 写 10 行"), { key: "length.characters", count: 5 });
  assert.deepEqual(lengthOf(""), { key: "length.words", count: 0 });
});

test("Chinese counts characters and not punctuation", () => {
  const counts = { "中国茶，始于唐代。": 7, "“茶”——《茶经》……": 3, "二〇二六年": 5, "人人": 2, "人々": 2, "𠮷野家": 3, "\u{30000}字": 2 };
  for (const [text, count] of Object.entries(counts))
    assert.deepEqual(lengthOf(text), { key: "length.characters", count }, text);
});

test("in Chinese, a Latin word or a number is one, with or without spaces around it", () => {
  for (const text of ["用Python写10行", "用 Python 写 10 行", "用 Python，写 10 行。"]) assert.equal(lengthOf(text).count, 5, text);
  assert.equal(lengthOf("约3.14亿个API，GPT-4o也是").count, 8);
  assert.equal(lengthOf("好的👍🎉").count, 2);
});

test("a text that grows has a rate and the time since it began, an ended one what it took", () => {
  const text = { text: "One two.", rate: () => 12 };
  const job = { status: "in_progress", started_at: 100, finished_at: null };
  assert.deepEqual(livePartsOf(job, text, 130), ["2 words", "≈ 12 tokens/s", "30 s"]);
  assert.deepEqual(livePartsOf({ ...job, status: "completed", finished_at: 120 }, text, 500), ["2 words", "20 s"]);
  assert.deepEqual(livePartsOf(job, { text: "" }, 130), []);
});

test("of an article that waits again, the time stands still at the end of its last attempt", () => {
  const text = { text: "One two.", rate: () => 12 };
  const job = { status: "queued", started_at: 100, finished_at: null, attempts: [{ finished_at: 90 }, { finished_at: 117 }] };
  for (const now of [130, 500]) assert.deepEqual(livePartsOf(job, text, now), ["2 words", "17 s"]);
  assert.deepEqual(livePartsOf({ ...job, attempts: undefined }, text, 130), ["2 words"]);
});

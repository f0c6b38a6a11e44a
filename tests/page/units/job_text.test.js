import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { beABrowser } from "./browser.js";

beABrowser();
const { JobText } = await import("../../../api/page/job_text.js");

const TEXT = "\ufeffBees: 蜜蜂, 🐝 and é.";
const BYTES = new TextEncoder().encode(TEXT);
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

test("deltas are joined, and counted in bytes", () => {
  const text = new JobText();
  let offset = 0;
  for (const piece of TEXT) {
    assert.equal(text.take({ attempt: 1, offset, text: piece }), true);
    offset += Buffer.byteLength(piece);
  }
  assert.deepEqual([text.text, text.bytes], [TEXT, BYTES.length]);
});

test("what comes twice is trimmed, at every place between two characters", () => {
  let place = 0;
  for (const piece of TEXT) {
    const text = new JobText();
    text.take({ attempt: 1, offset: 0, text: TEXT.slice(0, place + piece.length) });
    assert.equal(text.take({ attempt: 1, offset: 0, text: TEXT }), true);
    assert.deepEqual([text.text, text.bytes], [TEXT, BYTES.length]);
    place += piece.length;
  }
});

test("missing bytes are noticed, and nothing is taken", () => {
  const text = new JobText();
  text.take({ attempt: 1, offset: 0, text: "a" });
  assert.equal(text.take({ attempt: 1, offset: 2, text: "c" }), false);
  assert.equal(text.text, "a");
});

test("a new attempt begins the text anew, and the old one is heard no more", () => {
  const text = new JobText();
  text.take({ attempt: 1, offset: 0, text: "old" });
  text.take({ attempt: 2, offset: 0, text: "new" });
  assert.equal(text.take({ attempt: 1, offset: 3, text: "er" }), true);
  assert.deepEqual([text.attempt, text.text], [2, "new"]);
});

test("a new attempt that continues the text goes on where it was", () => {
  const text = new JobText();
  text.take({ attempt: 1, offset: 0, text: "one " });
  assert.equal(text.take({ attempt: 2, offset: 4, text: "two" }), true);
  assert.deepEqual([text.attempt, text.text], [2, "one two"]);
});

test("reasoning is joined and counted beside the text", () => {
  const text = new JobText();
  assert.equal(text.think({ attempt: 1, offset: 0, text: "蜜" }), true);
  assert.equal(text.think({ attempt: 1, offset: 3, text: "蜂" }), true);
  text.take({ attempt: 1, offset: 0, text: "Bees" });
  assert.deepEqual([text.thought, text.thoughtBytes, text.text, text.bytes], ["蜜蜂", 6, "Bees", 4]);
});

test("a piece of reasoning that comes twice is left out, and a missing one is noticed", () => {
  const text = new JobText();
  text.think({ attempt: 1, offset: 0, text: "ab" });
  text.think({ attempt: 1, offset: 2, text: "cd" });
  assert.equal(text.think({ attempt: 1, offset: 2, text: "cd" }), true);
  assert.equal(text.think({ attempt: 1, offset: 5, text: "f" }), false);
  assert.equal(text.thought, "abcd");
});

test("a new attempt thinks anew, and the old one's thoughts are heard no more", () => {
  const text = new JobText();
  text.think({ attempt: 1, offset: 0, text: "old" });
  text.think({ attempt: 2, offset: 0, text: "new" });
  assert.equal(text.think({ attempt: 1, offset: 3, text: "er" }), true);
  assert.deepEqual([text.attempt, text.thought], [2, "new"]);
  text.take({ attempt: 3, offset: 0, text: "x" });
  assert.equal(text.thought, "", "a text that begins anew has no reasoning of the attempt before");
});

test("a text that was read whole leaves the reasoning as it is", () => {
  const text = new JobText();
  text.think({ attempt: 1, offset: 0, text: "a thought" });
  text.set(1, "Tea");
  assert.deepEqual([text.text, text.thought, text.thoughtBytes], ["Tea", "a thought", 9]);
});

test("the rate is that of the last seconds, and zero when nothing comes any more", () => {
  const text = new JobText();
  for (let second = 0; second <= 10; second += 1) {
    text.take({ attempt: 1, offset: text.bytes, text: "a".repeat(40) }, second * 1000);
  }
  assert.equal(Math.round(text.rate(10_000)), 10);
  assert.equal(text.rate(15_000), 0);
  assert.equal(new JobText().rate(0), 0);
});

test("a text is the stored one only if its SHA-256 is", async () => {
  const text = new JobText();
  text.set(1, TEXT);
  assert.equal(await text.compare({ bytes: BYTES.length, sha256: sha256(TEXT) }), "same");
  assert.equal(await text.compare({ bytes: BYTES.length, sha256: sha256("x") }), "differs");
  assert.equal(await text.compare({ bytes: 1, sha256: sha256(TEXT) }), "differs");
  assert.equal(await text.compare({ bytes: BYTES.length, sha256: null }), "length");
  assert.equal(await new JobText().compare({ bytes: 0, sha256: null }), "same");
});

test("a text that differs is read anew and compared again", async (t) => {
  const asked = [];
  t.mock.method(globalThis, "fetch", async (path) => {
    asked.push(path);
    return new Response(BYTES);
  });
  const text = new JobText();
  text.set(1, "other");
  const job = { id: "job_1", attempt: 3, bytes: BYTES.length, sha256: sha256(TEXT) };
  assert.equal(await text.settle(job), "same");
  assert.deepEqual([text.attempt, text.text], [3, TEXT], "the byte order mark is kept");
  assert.deepEqual(asked, ["/v1/jobs/job_1/text?partial=true"]);
  assert.equal(await text.settle(job), "same");
  assert.equal(asked.length, 1, "what is right is not read again");
});

test("what was read is dropped when the job runs again meanwhile", async (t) => {
  const text = new JobText();
  t.mock.method(globalThis, "fetch", async () => {
    text.take({ attempt: 4, offset: 0, text: "anew" });
    return new Response(BYTES);
  });
  const job = { id: "job_1", attempt: 3, bytes: BYTES.length, sha256: sha256(TEXT) };
  assert.equal(await text.settle(job), "differs");
  assert.equal(text.text, "anew");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { sorted } from "../../../api/page/card_filters.js";
import { firstWords, headingOf, jobName, promptOf, textBelowName } from "../../../api/page/names.js";

test("a name is the custom id, else the first heading, else the first words of the prompt, else the place", () => {
  const job = { custom_id: null, index: 2 };
  const known = { text: "# **Tea** of Assam\n\nIt grows.", prompt: "Write about tea." };
  assert.equal(jobName({ ...job, custom_id: "tea-3" }, known), "tea-3");
  assert.equal(jobName(job, known), "Tea of Assam");
  assert.equal(jobName(job, { ...known, text: "It grows. #tea" }), "Write about tea.");
  assert.equal(jobName(job), "Article 3");
  assert.equal(jobName({ custom_id: null }), "Article");
  assert.equal(jobName({ ...job, request: { messages: [{ role: "user", content: "Ink." }] } }), "Ink.");
});

test("a heading counts once its line is whole", () => {
  assert.equal(headingOf("# Half a hea"), "");
  assert.equal(headingOf("Words before.\n\n## Then a heading ##\n"), "Then a heading");
  assert.equal(headingOf(undefined), "");
});

test("a heading of nothing but spaces and marks takes no time", () => {
  const began = process.cpuUsage();
  for (const end of [" ", "#", " #", "\t "]) assert.equal(headingOf(`# x${end.repeat(1990)}`), "");
  assert.equal(headingOf(`# x${" ".repeat(1990)}\n`), "x");
  assert.ok(process.cpuUsage(began).user < 1e6, "it takes 30 s for each if it looks again and again");
});

test("a long prompt is cut between words, and Chinese between characters", () => {
  const cut = firstWords("word ".repeat(40));
  assert.ok(cut.length <= 72 && cut.endsWith("word …"));
  assert.equal(firstWords("茶".repeat(80)), `${"茶".repeat(70)} …`);
  assert.equal(firstWords("two\nlines"), "two lines");
  assert.ok(!/[\ud800-\udbff](?![\udc00-\udfff])/.test(firstWords(`a${"😀".repeat(50)}`)));
});

test("the prompt is what the user said last", () => {
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content: [{ type: "text", text: "Write." }] },
  ];
  assert.equal(promptOf({ messages }), "Write.");
  assert.equal(promptOf({}), "");
});

test("cards sorted by status begin with what needs a person", () => {
  const jobs = ["completed", "queued", "failed"].map((status) => ({ status, custom_id: status }));
  assert.deepEqual(
    sorted(jobs, "status", jobName).map(({ status }) => status),
    ["failed", "queued", "completed"],
  );
  assert.equal(sorted(jobs, "place", jobName), jobs);
  const long = [{ bytes: null }, { bytes: 5 }, { bytes: 9 }];
  assert.deepEqual(sorted(long, "longest", jobName).map(({ bytes }) => bytes), [9, 5, null]);
  assert.deepEqual(sorted(long, "shortest", jobName).map(({ bytes }) => bytes), [5, 9, null]);
});

test("a text that begins with its job's name is shown without it", () => {
  const text = "# Tea of Assam\n\nIt grows.";
  assert.equal(textBelowName({ custom_id: null }, text), "It grows.");
  assert.equal(textBelowName({ custom_id: "tea" }, text), text);
  assert.equal(textBelowName({ custom_id: null }, `Words before.\n${text}`), `Words before.\n${text}`);
  assert.equal(textBelowName({ custom_id: null }, "It grows."), "It grows.");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, guessTokens, keepTimes, languageOf, number, plain } from "../../../api/page/format.js";

test("a number that nobody knows is called unknown", () => {
  assert.equal(number(null), "unknown");
  assert.equal(number(undefined), "unknown");
  assert.equal(number(0), "0");
});

test("a duration is said in the two units that matter", () => {
  const said = new Map([
    [-1, "0 s"],
    [0.42, "0.42 s"],
    [9.94, "9.9 s"],
    [9.95, "10 s"],
    [59.4, "59 s"],
    [59.6, "1 min"],
    [200, "3 min 20 s"],
    [7500, "2 h 5 min"],
    [172799, "47 h 59 min"],
    [180000, "2 d 2 h"],
  ]);
  for (const [seconds, words] of said) assert.equal(duration(seconds), words, `${seconds} s`);
});

test("a text's language is taken from its letters, and from nothing less", () => {
  assert.equal(languageOf("蜂は飛ぶ"), "ja");
  assert.equal(languageOf("벌"), "ko");
  assert.equal(languageOf("蜜蜂"), "zh");
  assert.equal(languageOf("bees"), null);
  assert.equal(languageOf(`${"a".repeat(500)}蜂`), null, "only the beginning is looked at");
});

test("four Latin letters or one other are about one token", () => {
  assert.equal(guessTokens("bees"), 1);
  assert.equal(guessTokens("蜜蜂飞"), 2);
  assert.equal(guessTokens("bees蜜蜂飞。"), 4);
  assert.equal(guessTokens(""), 0);
});

test("a glance at a text is without the marks of Markdown", () => {
  assert.equal(plain("# Tea\n\n**Green** tea, `hot`"), "Tea\nGreen tea, hot");
  assert.equal(plain("see [this](https://a.example/(x)) and *that*"), "see this and that");
  assert.equal(plain("- one\n> two"), "one\ntwo");
  assert.equal(plain("2*3*4 and snake_case_word"), "2*3*4 and snake_case_word");
});

test("a time on the page goes on from second to second", (context) => {
  context.mock.timers.enable({ apis: ["setInterval", "Date"], now: 100_000 });
  const shown = { dataset: { at: "93" }, textContent: "7 seconds ago" };
  globalThis.document = { hidden: false, querySelectorAll: () => [shown] };
  context.after(() => delete globalThis.document);
  keepTimes();
  const said = [1, 2].map(() => {
    context.mock.timers.tick(1000);
    return shown.textContent;
  });
  assert.deepEqual(said, ["8 seconds ago", "9 seconds ago"]);
});

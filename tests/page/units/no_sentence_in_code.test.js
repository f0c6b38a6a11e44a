import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { literalsOf } from "./literals.js";

const FOLDER = new URL("../../../api/page/", import.meta.url);
const read = (name) => readFileSync(new URL(name, FOLDER), "utf8");

// Each with the reason why it is no sentence of the page.
const ALLOWED = new Set([
  "Longhand", "· Longhand", // the name of the product
  "UTF-8", "UTF-16", "GB18030 / GBK", "Big5", "Shift_JIS", "EUC-KR", "Windows-1252", "Windows-1250", "Windows-1251", // names of encodings
  "English", "简体中文", // each language in its own words
  "no words for", // an error of the code, which no visitor sees
  "Home", "End", "Enter", "AbortError", "Files", "Bearer", // names that browsers and HTTP give
  "The text was not accepted:", // how the server's message begins; it is compared, not shown
  "was paused", // what the API stores where nobody wrote a reason; it is compared, not shown
]);

// What is given to these is read by visitors: `el` from its third argument on, and so forth.
const SHOWN_FROM = { el: 2, put: 1, setText: 1, say: 0, wrong: 0, ask: 0, section: 0 };
const SHOWN_NAMES = new Set(["aria-label", "aria-valuetext", "title", "placeholder", "alt", "textContent", "label"]);
const TECHNICAL_NAMES = new Set(["class", "className", "rel", "points", "viewBox"]);
const TECHNICAL_CALLS = new Set(["querySelector", "querySelectorAll", "closest"]);

/** Whether a literal is something that a visitor reads. */
function isSaid({ text, call, argument, name }) {
  const words = text.trim();
  if (!/\p{L}/u.test(words) || ALLOWED.has(words)) return false;
  if (TECHNICAL_NAMES.has(name) || TECHNICAL_CALLS.has(call)) return false;
  if (SHOWN_NAMES.has(name)) return true;
  if (call in SHOWN_FROM && argument >= SHOWN_FROM[call] && name === null) return true;
  // Two words with a space between them, a capital before small letters, or a letter that is not ASCII.
  return /\p{L}[,.:;]? +\p{L}/u.test(words) || /^\p{Lu}\p{Ll}/u.test(words) || /[^\P{L}a-zA-Z]/u.test(words);
}

const saidIn = (source) => literalsOf(source).filter(isSaid).map(({ text }) => text);

test("a sentence in code is found, wherever it stands", () => {
  assert.deepEqual(saidIn('el("p", { class: "small note" }, "gone")'), ["gone"]);
  assert.deepEqual(saidIn('const W = { failed: "Not completed" };'), ["Not completed"]);
  assert.deepEqual(saidIn("say(`The batch is ${status}`);"), ["The batch is "]);
  assert.deepEqual(saidIn('el("a", { title: "more" }); node.title = "why";'), ["more", "why"]);
  assert.deepEqual(saidIn("const w = '重试';"), ["重试"]);
  assert.deepEqual(saidIn('el("p", {}, t("a.key"), `${x} %`); // It is "so"'), []);
  assert.deepEqual(saidIn('/["\']/.test(x) ? "a-b" : call("/v1/jobs", { method: "GET" })'), []);
});

test("no sentence that a visitor reads stands in the code", () => {
  const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".js") && !/^(words_|markdown-it)/.test(name));
  assert.ok(scripts.length > 40);
  const said = scripts.map((name) => [name, saidIn(read(name))]).filter(([, words]) => words.length);
  assert.deepEqual(Object.fromEntries(said), {});
});

test("index.html names keys, and has no words but the product's and those for browsers without scripts", () => {
  const page = read("index.html").replace(/<noscript>.*?<\/noscript>/s, "").replace(/<meta[^>]*>/g, "");
  const texts = page.match(/>[^<]*\p{L}[^<]*</gu).map((text) => text.slice(1, -1).trim());
  assert.deepEqual(new Set(texts), new Set(["Longhand"]));
  assert.doesNotMatch(page, /\b(aria-label|title|placeholder|alt)=/);
});

test("no view shows the words of a refusal as the server wrote them", () => {
  const raw = /(?:wrong\(|reason: )\w+\.message\b/;
  assert.match("put(fault, wrong(error.message));", raw);
  const files = readdirSync(FOLDER).filter((name) => name.endsWith(".js"));
  assert.deepEqual(files.filter((name) => raw.test(read(name))), []);
});

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { pieces, t } from "../../../api/page/words.js";
import { WORDS } from "../../../api/page/words_en.js";
import { WORDS as CHINESE } from "../../../api/page/words_zh.js";
import { literalsOf } from "./literals.js";

const FOLDER = new URL("../../../api/page/", import.meta.url);
const LANGUAGES = { en: WORDS, zh: CHINESE };
const KEYS = Object.keys(WORDS);

const formsOf = (words) => (typeof words === "string" ? { other: words } : words);
const placesOf = (words) => [...words.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

test("values are put into the words, numbers with their separators", () => {
  assert.equal(t("tokens.written", { count: 1 }), "1 token");
  assert.equal(t("tokens.written", { count: 0 }), "0 tokens");
  assert.match(t("tokens.written", { count: 12300 }), /^12.300 tokens$/);
  assert.throws(() => t("no such key"), /no words/);
});

test("a value that is an element stays one, at its place in the sentence", () => {
  const home = { tag: "a" };
  assert.deepEqual(pieces("missing.words", { home }), ["There is no page at this address. ", home, " is still there."]);
});

test("every catalogue has the same keys", () => {
  assert.deepEqual(Object.keys(CHINESE).sort(), [...KEYS].sort());
});

// What there is one of need not be counted: "Show it". And the server's English is left out where the sentence has all of it.
const MAY_BE_LEFT_OUT = (key, form) => [form === "other" ? "" : "count", key.startsWith("warning.") ? "message" : ""];

test("every catalogue puts in the same values, in every plural form", () => {
  for (const key of KEYS) {
    const expected = placesOf(formsOf(WORDS[key]).other);
    for (const [language, words] of Object.entries(LANGUAGES))
      for (const [form, text] of Object.entries(formsOf(words[key]))) {
        const found = placesOf(text);
        const known = expected.filter((name) => !MAY_BE_LEFT_OUT(key, form).includes(name) || found.includes(name));
        assert.deepEqual(found, known, `${language} ${key} ${form}`);
      }
  }
});

test("every catalogue has the plural forms of its language, and no others", () => {
  for (const [language, words] of Object.entries(LANGUAGES)) {
    const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
    for (const key of KEYS) {
      if (typeof words[key] !== "string") assert.deepEqual(Object.keys(words[key]).sort(), forms, `${language} ${key}`);
      assert.equal(typeof words[key], typeof WORDS[key], `${language} ${key}`);
    }
  }
});

// The catalogue's words that are the same in every language: commands, names, formats, letters of the keyboard; and a table in CSV.
const SAME = /^(command\..*|system\.redis|download\.(md|zip|jsonl|csv)|keys\..*\.key|attempt\.line|form\.encoded|search\.quoted|reject\.text|filter\.count|sample\.table)$/;

// One word for one thing: token, 生成, 密钥, 提示词, 接口 and 工作进程, as in README.zh-CN.md.
const OTHER_WORDS = /词元|令牌|撰写|秘钥|提示语|端点|工人|作业/;

test("the Chinese is Chinese, with its own punctuation and a space before and after Latin words and numbers", () => {
  for (const key of KEYS) {
    if (SAME.test(key)) continue;
    for (const text of Object.values(formsOf(CHINESE[key]))) {
      if (/\p{L}/u.test(text.replace(/\{\w+\}|token|Token/g, ""))) assert.match(text, /\p{Script=Han}/u, key);
      assert.doesNotMatch(text, OTHER_WORDS, `${key}: another word than README.zh-CN.md has`);
      // A value is Latin or a number, or brings its own space.
      const shown = text.replace(/\{(?:what|when|how|why|words|mark|home|first|second|theme|next|status|reason|delimiter|topic)\}/g, "字");
      assert.doesNotMatch(shown, /\p{Script=Han}[\w{]|[\w}]\p{Script=Han}/u, `${key}: no space`);
      assert.doesNotMatch(shown, /\p{Script=Han}[,;:!?()]|\p{Script=Han}\.(?!\w)|[,;:!?(]\p{Script=Han}/u, `${key}: narrow punctuation`);
      assert.doesNotMatch(shown, /[，。；：！？、（）“”] | [，。；：！？、（）”]/u, `${key}: space at wide punctuation`);
    }
  }
});

/** The keys that the scripts name: whole ones, and beginnings of those that are put together. */
function namedKeys() {
  const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".js"));
  const literals = scripts.flatMap((name) => literalsOf(readFileSync(new URL(name, FOLDER), "utf8")));
  const html = readFileSync(new URL("index.html", FOLDER), "utf8").matchAll(/data-(?:words|label)="([^"]+)"/g);
  return {
    asked: literals.filter(({ call, argument }) => ["t", "pieces"].includes(call) && argument === 0).map(({ text }) => text),
    all: new Set([...literals.map(({ text }) => text), ...[...html].map((found) => found[1])]),
  };
}

test("every key that the page names is in the catalogue", () => {
  const { asked } = namedKeys();
  assert.ok(asked.length > 200);
  const unknown = asked.filter((key) => key && !Object.hasOwn(WORDS, key) && !KEYS.some((one) => one.startsWith(key)));
  assert.deepEqual(unknown.filter((key) => !key.startsWith(".")), []); // what follows a value in a template
});

test("every key of the catalogue is named by the page", () => {
  const { all } = namedKeys();
  const beginnings = ["error.", "attempt.", "role.", "source.", "refusal.", "warning.", "told.", "reject."];
  const isNamed = (key) =>
    all.has(key) || [...all, ...beginnings].some((text) => text.endsWith(".") && text.length > 3 && key.startsWith(text));
  assert.deepEqual(KEYS.filter((key) => !isNamed(key)), []);
});

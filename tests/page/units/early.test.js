import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

import { storage } from "./browser.js";

const SCRIPT = readFileSync(new URL("../../../api/page/early.js", import.meta.url), "utf8");

/** What early.js makes of the page's root. */
function rootAfter({ languages, kept = {}, forbidden = false }) {
  const localStorage = storage({ forbidden });
  if (!forbidden) for (const [name, value] of Object.entries(kept)) localStorage.setItem(`longhand.${name}`, value);
  const html = { lang: "en", dataset: {} };
  runInNewContext(SCRIPT, { document: { documentElement: html }, navigator: { languages }, localStorage });
  return html;
}

test("the first language of the browser that the page speaks is taken", () => {
  const spoken = { "zh-CN": "zh-CN", "zh-TW,en": "zh-CN", "zh-Hant-HK": "zh-CN", "en-GB,zh": "en", "fr,zh,en": "zh-CN" };
  for (const [languages, lang] of Object.entries(spoken))
    assert.equal(rootAfter({ languages: languages.split(",") }).lang, lang, languages);
  for (const languages of [["de", "fr"], ["zha"], []]) assert.equal(rootAfter({ languages }).lang, "en");
});

test("what was chosen goes before the browser's language, and something else that is kept does not", () => {
  assert.equal(rootAfter({ languages: ["en"], kept: { language: "zh" } }).lang, "zh-CN");
  assert.equal(rootAfter({ languages: ["zh"], kept: { language: "en" } }).lang, "en");
  assert.equal(rootAfter({ languages: ["zh"], kept: { language: "x" } }).lang, "zh-CN");
});

test("where storage is forbidden, language and theme are the system's", () => {
  const html = rootAfter({ languages: ["zh"], forbidden: true });
  assert.deepEqual([html.lang, html.dataset.theme], ["zh-CN", undefined]);
  assert.equal(rootAfter({ languages: ["en"], kept: { theme: "dark" } }).dataset.theme, "dark");
});

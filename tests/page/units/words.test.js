import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { t } from "../../../api/page/words.js";
import { WORDS } from "../../../api/page/words_en.js";

const FOLDER = new URL("../../../api/page/", import.meta.url);

test("values are put into the words, numbers with their separators", () => {
  assert.equal(t("tokens.written", { count: 1 }), "1 token");
  assert.match(t("tokens.written", { count: 12300 }), /^12.300 tokens$/);
  assert.throws(() => t("no such key"), /no words/);
});

test("every key that the page names is in the catalogue", () => {
  const scripts = readdirSync(FOLDER).filter((name) => name.endsWith(".js"));
  const named = scripts.flatMap((name) => {
    const script = readFileSync(new URL(name, FOLDER), "utf8");
    return [...script.matchAll(/\bt\(\s*"([^"]+)"/g)].map((found) => found[1]);
  });
  assert.ok(named.length > 10);
  assert.deepEqual(
    named.filter((key) => !Object.hasOwn(WORDS, key)),
    [],
  );
});

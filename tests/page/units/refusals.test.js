import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { beABrowser } from "./browser.js";

beABrowser();
const { refusalOf, warningOf } = await import("../../../api/page/refusals.js");
const { has } = await import("../../../api/page/words.js");

const [, ANSWERS, FAILURES] = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8").split(/^## /m);

/** The codes in the column `code` of a table of docs/errors.md, which another test keeps whole. */
function codesOf(table, column) {
  const rows = table.split("\n").filter((line) => line.startsWith("| ") && line.includes("`")).slice(1); // without its head
  return rows.flatMap((row) => [...row.split(" | ")[column].matchAll(/`([a-z_]+)`/g)].map(([, code]) => code));
}

// What the page never asks for, so that it never gets these: webhooks, the list of models in words, OpenAI's endpoints.
const ELSEWHERE = `invalid_multipart invalid_http chunks_too_small previous_response_not_completed item_not_found
  previous_response_not_found method_not_allowed invalid_webhook_url webhook_paused too_many_webhooks cancelled
  conversation_too_long unsupported_media_type head_too_large upstream_not_set upstream_unreachable upstream_unauthorized
  upstream_error attempt_restarted upstream_timeout`.split(/\s+/);

test("every code that a request of the page may get has a sentence", () => {
  const codes = codesOf(ANSWERS, 1).filter((code) => !ELSEWHERE.includes(code));
  assert.ok(codes.length > 40);
  assert.deepEqual(codes.filter((code) => !has(`refusal.${code}`)), []);
});

test("every code that a job may fail with has a sentence, but the one whose message has all reasons", () => {
  const codes = codesOf(FAILURES, 0).map((code) => code.replace("| ", ""));
  assert.ok(codes.length > 30);
  assert.deepEqual(codes.filter((code) => !has(`error.${code}`)), ["not_accepted"]);
});

test("a refusal without a sentence of its own keeps the server's", () => {
  assert.equal(refusalOf({ code: "of a later version", message: "no" }), "no");
  assert.equal(refusalOf({ code: null, message: "no network" }), "no network");
  assert.equal(refusalOf({ code: "invalid_value", message: "n: must be 1" }), "n: must be 1");
  assert.equal(refusalOf({ code: "not_found", message: "no job has the id 1" }), "There is nothing with this id.");
  assert.equal(warningOf({ code: "comment", message: "a comment was left out" }), "a comment was left out");
});

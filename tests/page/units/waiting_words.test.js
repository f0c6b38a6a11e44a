import assert from "node:assert/strict";
import { test } from "node:test";

import { noteOf, whyCutShort } from "../../../api/page/job_words.js";
import { holdAdvice, holdMessage, holdTitle, whyItWaits } from "../../../api/page/waiting_words.js";

const hold = (changes) => ({ kind: "upstream", target: "main", reason: "credit", held_by: "longhand", message: "", ...changes });

test("a hold says what is held and why", () => {
  assert.equal(holdTitle(hold({})), "The upstream “main” is out of credit, so no new article starts.");
  assert.equal(holdTitle(hold({ kind: "batch", reason: "paused" })), "The batch is paused, so no new article starts.");
  assert.equal(
    holdTitle(hold({ kind: "model", target: "m", reason: "of a later version" })),
    "The model “m” is on hold, so no new article starts.",
  );
});

test("what answers as no API of this kind is held for its URL, which is named", () => {
  assert.equal(holdTitle(hold({ reason: "url" })), "The upstream “main” does not answer as an OpenAI-compatible API does, so no new article starts.");
  const asked = globalThis.document;
  globalThis.document = { createElement: () => ({ dataset: {} }) }; // a time is an element
  try {
    const held = hold({ reason: "url", may_resume: true, since: 5, probe_at: null, url: "http://x/v2" });
    assert.ok(holdAdvice(held).includes("Check its URL, http://x/v2, which may lack a path such as /v1."));
    assert.ok(!holdAdvice(held).some((part) => `${part}`.includes("Resume")));
    const probed = { ...held, probe_at: 9 };
    assert.ok(holdAdvice(probed).includes("; press Resume to try it now."));
    const said = (at) => holdAdvice({ ...held, probe_at: at }).map((part) => part.textContent ?? part).join("");
    const now = Date.now() / 1000;
    assert.match(said(now - 60), /tries it again by itself at any moment; press Resume/);
    assert.match(said(now + 90), /tries it again by itself in 1 minute; press Resume/);
    assert.ok(!holdAdvice({ ...probed, may_resume: false }).some((part) => `${part}`.includes("Resume")));
    assert.ok(holdAdvice({ ...held, url: null }).includes("Check its URL, which may lack a path such as /v1."));
  } finally {
    globalThis.document = asked;
  }
});

test("an upstream's answer is quoted by its words, not by its JSON", () => {
  const message = '402: {"error": {"message": "Insufficient balance", "code": "x"}}';
  assert.equal(holdMessage(hold({ message })), "It said: “Insufficient balance”");
  assert.equal(holdMessage(hold({ message: "no JSON {" })), "It said: “no JSON {”");
  assert.equal(holdMessage(hold({ reason: "away", message: "No connection to http://x: Connection refused. Check that it is running." })), "");
  assert.equal(holdMessage(hold({ reason: "away", message: "503: down for a while" })), "It said: “503: down for a while”");
  assert.equal(holdMessage(hold({ reason: "away", message: "The upstream failed (HTTP 500)" })), "It said: “The upstream failed (HTTP 500)”");
  assert.equal(holdMessage(hold({ message: '{"detail": "no"}' })), 'It said: “{"detail": "no"}”');
  assert.equal(holdMessage(hold({})), "");
});

test("what a person wrote about a pause is shown, what nobody wrote is not", () => {
  const paused = { held_by: "person", reason: "paused", kind: "batch" };
  assert.equal(holdMessage(hold({ ...paused, message: "the batch was paused" })), "");
  assert.equal(holdMessage(hold({ ...paused, message: "until Monday" })), "until Monday");
});

test("a queued article says the one thing that it waits for", () => {
  const job = { attempt: 0 };
  assert.equal(whyItWaits(job, null), "Waiting for its turn.");
  assert.equal(whyItWaits(job, { hold: hold({}) }), "Waits for credit.");
  assert.match(whyItWaits(job, { limited_by: "tokens" }), /tokens per minute/);
  assert.equal(whyItWaits(job, { limited_by: "of a later version", limited_by_message: "Waits." }), "Waits.");
  assert.match(whyItWaits(job, { limited_by: "requests", limited_until: 5 }), /The next one is sent at .*\d/);
});

test("after a failed attempt, the next one is announced", () => {
  const job = { attempt: 2 };
  assert.equal(whyItWaits(job, null), "The last attempt failed. Attempt 3 starts by itself.");
  assert.match(whyItWaits(job, { limited_by: "retry", limited_until: 5 }), /^The last attempt failed. Attempt 3 starts at /);
});

test("an article without a text says why", () => {
  assert.match(noteOf({ status: "queued", attempt: 0 }), /^Waiting for its turn. The text appears here/);
  assert.match(noteOf({ status: "in_progress" }), /not written anything yet/);
  assert.match(noteOf({ status: "completed" }), /empty text/);
  assert.equal(noteOf({ status: "failed" }), "Nothing was written.");
});

test("a text that was cut short names the reason, also an unknown one", () => {
  assert.equal(whyCutShort({ incomplete: null }), "");
  assert.match(whyCutShort({ incomplete: { reason: "max_output_tokens" } }), /token limit/);
  assert.equal(whyCutShort({ incomplete: { reason: "new" } }), "Cut short: new.");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { beABrowser } from "./browser.js";

beABrowser();
const { countsLine } = await import("../../../api/page/home_rows.js");

const batch = (status, counts, hold = null) => ({
  status,
  hold,
  usage: { output_tokens: 2084 },
  request_counts: { total: 8, completed: 0, failed: 0, in_progress: 0, incomplete: 0, ...counts },
});

test("tokens are never said to be of articles that have ended while none has", () => {
  const held = batch("in_progress", {}, { kind: "upstream" });
  assert.equal(countsLine(held), "0% · on hold · 0 of 8 completed · 2,084 tokens in unfinished texts");
  const writing = batch("in_progress", { completed: 2, in_progress: 6 });
  assert.equal(countsLine(writing), "25% · 2 of 8 completed · 6 being written · 2,084 tokens so far");
  const failing = batch("in_progress", { failed: 1, in_progress: 7 });
  assert.equal(
    countsLine(failing),
    "1 of 8 ended (12%) · 0 of 8 completed · 7 being written · 1 not completed · 2,084 tokens so far",
  );
  assert.equal(countsLine(batch("completed", { completed: 8 })), "8 of 8 completed · 2,084 tokens written");
});

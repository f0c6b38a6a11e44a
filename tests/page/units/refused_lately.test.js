import assert from "node:assert/strict";
import { test } from "node:test";

import { refusedLately } from "../../../api/page/refused_lately.js";

const job = (finished_at, code = null, upstream = "main") => ({
  upstream,
  finished_at,
  status: code ? "failed" : "completed",
  error: code && { code, message: `${finished_at}` },
});
const refused = (...at) => at.map((moment) => job(moment, "upstream_rejected"));

test("an upstream that refused the last three articles is known by the latest of them", () => {
  const found = refusedLately([...refused(5, 7, 6), job(4), ...refused(1, 2, 3)], "main");
  assert.deepEqual(found, { count: 3, error: { code: "upstream_rejected", message: "7", at: 7 } });
});

test("an article that was taken since then, or a failure that is no refusal, takes that back", () => {
  assert.equal(refusedLately([...refused(1, 2, 3), job(4)], "main"), null);
  assert.equal(refusedLately([...refused(1, 2, 3), job(4, "upstream_cut")], "main"), null);
});

test("two refusals say nothing, and nor do those of another upstream or of what has not ended", () => {
  assert.equal(refusedLately(refused(1, 2), "main"), null);
  assert.equal(refusedLately([...refused(1, 2), job(3, "upstream_rejected", "other")], "main"), null);
  assert.equal(refusedLately([...refused(1, 2), { upstream: "main", status: "queued", finished_at: null }], "main"), null);
});

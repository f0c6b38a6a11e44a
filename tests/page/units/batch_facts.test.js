import assert from "node:assert/strict";
import { test } from "node:test";

import { factRows } from "../../../api/page/batch_facts.js";
import { withCounts } from "../../../api/page/counts.js";

const counts = { total: 12, completed: 4, failed: 5, in_progress: 1, incomplete: 1 };
const figures = { written: 0, isGrowing: false, speed: 0, submitted: "just now" };
const rows = (batch, jobs) => new Map(factRows(withCounts({ request_counts: counts, ...batch }, jobs), figures).filter(Boolean));

test("failed and cancelled articles are counted apart", () => {
  const found = rows({ status: "in_progress" });
  assert.deepEqual([found.get("Failed"), found.get("Cancelled"), found.get("Queued")], ["5", undefined, "2"]);
  const jobs = ["failed", "cancelled", "cancelled"].map((status) => ({ status }));
  const ended = rows({ status: "completed", request_counts: { ...counts, total: 3 } }, jobs);
  assert.deepEqual([ended.get("Failed"), ended.get("Cancelled"), ended.get("Completed")], ["1", "2", "0 of 3"]);
});

test("the pause before a retry is not counted as work", () => {
  const times = { status: "completed", created_at: 100, completed_at: 147 };
  assert.equal(rows({ ...times, in_progress_at: 100 }).get("Took"), "47 s");
  const again = rows({ ...times, in_progress_at: 145 });
  assert.deepEqual([again.get("Took"), again.get("Last run took")], [undefined, "2 s"]);
});

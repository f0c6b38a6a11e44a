import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { PlayedEventSource, beABrowser } from "./browser.js";

beABrowser();
const { BatchState } = await import("../../../api/page/batch_state.js");
const { opened } = PlayedEventSource;

beforeEach(() => (opened.length = 0));

const job = (index) => ({ id: `job_${index}`, index, status: "completed", attempt: 1, sha256: "a" });

/** A watched batch of three jobs that has ended and of which some are left; its stream has told the first of them. */
async function watched(t, left) {
  const batch = { id: "batch_1", status: "completed", request_counts: { total: 3, completed: 3, failed: 0 } };
  t.mock.method(globalThis, "fetch", async (path) =>
    Response.json(path.startsWith("/v1/jobs") ? { data: left.map(job), last_id: "", has_more: false } : batch),
  );
  const nothing = () => {};
  const listener = { onBatch: nothing, onJobs: nothing, onFault: assert.fail, onUnread: nothing, onText: nothing };
  const state = new BatchState("batch_1", listener);
  t.after(() => state.close());
  await state.start();
  opened[0].accept();
  opened[0].send("jobs", { jobs: [job(left[0])] });
  return { state, batch };
}

const answered = () => new Promise((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))));

async function damageAnEvent(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  opened[0].dispatchEvent(Object.assign(new Event("jobs"), { data: "{", lastEventId: "" }));
  await answered();
  t.mock.timers.tick(60_000);
  await answered();
}

test("after a damaged event the batch is watched anew if a job is not known", async (t) => {
  await watched(t, [0, 2]);
  await damageAnEvent(t);
  assert.equal(opened.length, 2);
});

test("jobs that were deleted are not waited for", async (t) => {
  const { state, batch } = await watched(t, [1]);
  await damageAnEvent(t);
  assert.equal(opened.length, 1);
  assert.equal(state.isListed, false);
  opened[0].send("done", batch);
  assert.equal(state.isListed, true, "the last ones may be those that were deleted");
});

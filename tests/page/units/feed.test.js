import assert from "node:assert/strict";
import { test } from "node:test";

import { beABrowser } from "./browser.js";

beABrowser();
const { Feed } = await import("../../../api/page/feed.js");

/** A server of batches and single jobs; `items` are `[id, created_at]`, newest first, and a page has two. */
function serve(t, { batches, jobs }) {
  t.mock.method(globalThis, "fetch", async (path) => {
    const asked = new URL(path, "http://localhost");
    const all = asked.pathname === "/v1/batches" ? batches : jobs;
    const from = asked.searchParams.has("after") ? all.findIndex(([id]) => id === asked.searchParams.get("after")) + 1 : 0;
    const data = all.slice(from, from + 2).map(([id, at]) => ({ id, created_at: at }));
    return Response.json({ data, last_id: data.at(-1)?.id ?? null, has_more: from + 2 < all.length });
  });
}

const ids = (feed, kind) => feed.list(kind).map(({ item }) => item.id);

test("two lists are one, newest first, and nothing is shown before what stands above it is known", async (t) => {
  const batches = [["b5", 50], ["b4", 40], ["b3", 30], ["b1", 10]];
  const jobs = [["j3", 35], ["j2", 20]];
  serve(t, { batches, jobs });
  const feed = new Feed();
  await feed.refresh();
  assert.deepEqual(ids(feed, "all"), ["b5", "b4"]); // b3 may stand before j3
  assert.deepEqual(ids(feed, "articles"), ["j3", "j2"]);
  assert.equal(feed.hasMore("all"), true);
  assert.equal(feed.hasMore("articles"), false);
  await feed.readOlder("all");
  assert.deepEqual(ids(feed, "all"), ["b5", "b4", "j3", "b3", "j2", "b1"]);
  assert.equal(feed.hasMore("all"), false);
  batches.unshift(["b6", 60]);
  await feed.refresh();
  assert.deepEqual(ids(feed, "all"), ["b6", "b5", "b4", "j3", "b3", "j2", "b1"]);
});

test("an empty list hides nothing of the other", async (t) => {
  serve(t, { batches: [], jobs: [["j1", 1]] });
  const feed = new Feed();
  await feed.refresh();
  assert.deepEqual(ids(feed, "all"), ["j1"]);
  assert.deepEqual(ids(feed, "batches"), []);
});

test("when more have come than a page has, the list begins anew, and nothing is left out", async (t) => {
  const jobs = [["j3", 3], ["j2", 2], ["j1", 1]];
  serve(t, { batches: [], jobs });
  const feed = new Feed();
  await feed.refresh();
  await feed.readOlder("all");
  assert.equal(feed.hasMore("all"), false);
  jobs.unshift(["j7", 7], ["j6", 6], ["j5", 5], ["j4", 4]);
  await feed.refresh();
  assert.deepEqual(ids(feed, "all"), ["j7", "j6"]);
  while (feed.hasMore("all")) await feed.readOlder("all");
  assert.deepEqual(ids(feed, "all"), ["j7", "j6", "j5", "j4", "j3", "j2", "j1"]);
});

test("what was deleted elsewhere goes, as far as the newest page reaches", async (t) => {
  const jobs = [["j4", 4], ["j3", 3], ["j2", 2], ["j1", 1]];
  serve(t, { batches: [], jobs });
  const feed = new Feed();
  await feed.refresh();
  await feed.readOlder("all");
  jobs.splice(1, 1);
  await feed.refresh();
  assert.deepEqual(ids(feed, "all"), ["j4", "j2", "j1"]);
  jobs.splice(0, 2);
  await feed.refresh();
  assert.deepEqual(ids(feed, "all"), ["j1"]);
});

test("a page that was overtaken changes nothing", async (t) => {
  const jobs = [["j3", 3], ["j2", 2], ["j1", 1]];
  serve(t, { batches: [], jobs });
  const feed = new Feed();
  await feed.refresh();
  const answers = [];
  const late = t.mock.method(globalThis, "fetch", (path) => new Promise((answer) => answers.push([path, answer])));
  const [early, older] = [feed.refresh(), feed.readOlder("all")];
  late.mock.restore();
  jobs.unshift(["j6", 6], ["j5", 5], ["j4", 4]);
  serve(t, { batches: [], jobs });
  await feed.refresh();
  for (const [path, answer] of answers) {
    const last = path.includes("after") ? [["j1", 1]] : [["j3", 3], ["j2", 2]];
    const data = path.includes("batches") ? [] : last.map(([id, at]) => ({ id, created_at: at }));
    answer(Response.json({ data, last_id: data.at(-1)?.id ?? null, has_more: false }));
  }
  await Promise.all([early, older]);
  assert.equal(answers.length, 3);
  assert.deepEqual(ids(feed, "all"), ["j6", "j5"]);
  assert.equal(feed.hasMore("all"), true);
});

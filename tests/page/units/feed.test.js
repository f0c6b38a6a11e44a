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

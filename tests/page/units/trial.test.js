import assert from "node:assert/strict";
import { test } from "node:test";

import { beABrowser } from "./browser.js";

beABrowser();
const { cutOrder } = await import("../../../api/page/trial.js");

test("the first and the rest of a list are all of it, and none twice", () => {
  const requests = Array.from({ length: 8 }, (_, place) => ({ body: { place } }));
  const { first, rest } = cutOrder({ requests, accept: { min_words: 5 }, metadata: { title: "Tea" } }, 8);
  assert.deepEqual([...first.requests, ...rest.order.requests], requests);
  assert.deepEqual([first.requests.length, rest.count], [3, 5]);
  assert.deepEqual([first.accept, rest.order.accept], [{ min_words: 5 }, { min_words: 5 }]);
  assert.deepEqual([first.metadata.title, rest.order.metadata.title], ["Tea (the first 3)", "Tea"]);
});

test("of a file the first are taken, and for the rest as many are skipped", () => {
  const { first, rest } = cutOrder({ input_file_id: "file_1", input: { model: "m", template: "{a}" } }, 40);
  assert.deepEqual(first, { input_file_id: "file_1", input: { model: "m", template: "{a}", take: 3 } });
  assert.deepEqual(rest, { order: { input_file_id: "file_1", input: { model: "m", template: "{a}", skip: 3 } }, count: 37 });
});

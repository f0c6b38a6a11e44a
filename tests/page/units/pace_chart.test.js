import assert from "node:assert/strict";
import { test } from "node:test";

import { pointsOf } from "../../../api/page/pace_chart.js";

test("the newest value is at the right, the largest at the top and nothing at the bottom", () => {
  const size = { width: 90, height: 10, most: 10 };
  assert.equal(pointsOf([0, 5, 10], size), "70.0,10.0 80.0,5.0 90.0,0.0");
  assert.equal(pointsOf([0, 0], size), "80.0,10.0 90.0,10.0");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { pointsOf } from "../../../api/page/pace_chart.js";

test("the oldest value is at the left, the newest at the right, the largest at the top", () => {
  const size = { width: 90, height: 10 };
  assert.equal(pointsOf([0, 5, 10], size), "0.0,10.0 45.0,5.0 90.0,0.0");
  assert.equal(pointsOf([0, 0], size), "0.0,10.0 90.0,10.0");
});

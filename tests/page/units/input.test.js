import assert from "node:assert/strict";
import { test } from "node:test";

import { inTermsOfLines, readList } from "../../../api/page/input.js";

test("each line of a list is a prompt, and keeps its number", () => {
  assert.deepEqual(readList("  tea \r\n\n\t\ncoffee"), [
    { line: 1, messages: [{ role: "user", content: "tea" }] },
    { line: 4, messages: [{ role: "user", content: "coffee" }] },
  ]);
  assert.deepEqual(readList(" \n"), []);
});

test("a refusal names the line, not the place in the request", () => {
  const error = { code: "model_not_found", param: "requests[1].body.model", message: "requests[1].body.model: there is no such model" };
  assert.deepEqual(inTermsOfLines(error, [1, 4]), {
    line: 4,
    code: "model_not_found",
    message: "body.model: there is no such model",
  });
});

test("a refusal that is about no line keeps its words", () => {
  for (const param of [undefined, null, "model", "requests[7].body"]) {
    assert.deepEqual(inTermsOfLines({ code: "a", param, message: "no" }, [1]), { line: null, code: "a", message: "no" });
  }
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { readBlocks } from "../../../api/page/blocks.js";

const kinds = (text) => readBlocks(text).map((block) => block.kind);

test("each kind of block is found by its beginning", () => {
  const text = "# a\n\nb\n\n- c\n\n> d\n\n---\n\n```py\ne\n```\n\n| f | g |\n|---|---|\n| 1 | 2 |";
  assert.deepEqual(kinds(text), ["heading", "paragraph", "list", "quote", "rule", "code", "table"]);
});

test("each block knows the place of its first character", () => {
  const text = "# a\r\n\r\nb\n\n- c";
  assert.deepEqual(
    readBlocks(text).map(({ start }) => text[start]),
    ["#", "b", "-"],
  );
});

test("code keeps its lines as they are, also where its end is missing", () => {
  const [code] = readBlocks("```js x\n# a\n\n  b");
  assert.deepEqual([code.kind, code.language, code.text], ["code", "js", "# a\n\n  b"]);
});

test("a fence is closed only by its own mark, as long or longer", () => {
  assert.deepEqual(kinds("~~~~\n~~~\n```\n~~~~~\nafter"), ["code", "paragraph"]);
});

test("a year at the beginning of a line is no list", () => {
  assert.deepEqual(kinds("Born in\n1984. A year"), ["paragraph"]);
  assert.deepEqual(kinds("1984. A year"), ["list"]);
});

test("a block that has ended is not changed by what comes after it", () => {
  const text = "# a\n\nb\nc\n\n- d\n- e\n\n> f\n\n```\ng\n```\n\n| h |\n|---|\n| 1 |\n\ni";
  const whole = readBlocks(text);
  for (let end = 0; end < text.length; end += 1) {
    const ended = readBlocks(text.slice(0, end)).slice(0, -1);
    assert.deepEqual(ended, whole.slice(0, ended.length), `cut at ${end}`);
  }
});

test("no depth of quotes is too deep", () => {
  assert.equal(kinds("> ".repeat(5000) + "a").length, 1);
});

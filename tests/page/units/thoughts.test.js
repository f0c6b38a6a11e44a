import assert from "node:assert/strict";
import { test } from "node:test";

import { beABrowser, drawFrame } from "./browser.js";

beABrowser();
const { JobText } = await import("../../../api/page/job_text.js");
const { Thoughts, about } = await import("../../../api/page/thoughts.js");

/** A job that has thought `thought` and written `written`, as the page shows it. */
function shown(thought, written = "") {
  const text = new JobText();
  const thoughts = new Thoughts(text);
  const [summary, words] = thoughts.node.children;
  const think = (piece) => text.think({ attempt: 1, offset: text.thoughtBytes, text: piece });
  const write = (piece) => text.take({ attempt: 1, offset: text.bytes, text: piece });
  if (thought) think(thought);
  if (written) write(written);
  thoughts.draw();
  return { thoughts, node: thoughts.node, summary, words, think, write };
}

/** What a browser does when a reader clicks on the summary. */
function clickOn(node, summary) {
  summary.click();
  node.open = !node.open;
  node.ontoggle();
}

test("the tokens are counted in words, and never as none", () => {
  assert.equal(about(0), "1 token");
  assert.equal(about(1.6), "2 tokens");
});

test("a job that has not thought shows no reasoning", () => {
  assert.equal(shown("").node.hidden, true);
  assert.equal(shown("", "Tea").node.hidden, true);
});

test("reasoning is open while nothing else has come, and folded above the text", () => {
  const { thoughts, node, summary, words, write } = shown("Let me think");
  assert.deepEqual([node.hidden, node.open], [false, true]);
  assert.deepEqual([summary.textContent, words.textContent], ["The model is thinking, 3 tokens", "Let me think"]);
  write("Tea");
  thoughts.draw();
  assert.deepEqual([node.hidden, node.open], [false, false]);
  assert.equal(summary.textContent, "Reasoning, ≈ 3 tokens");
});

test("what the reader opened or closed stays so", () => {
  const closed = shown("Let me");
  clickOn(closed.node, closed.summary);
  closed.think(" think");
  closed.thoughts.draw();
  assert.equal(closed.node.open, false, "more reasoning does not open it again");
  const opened = shown("Let me think", "Tea");
  clickOn(opened.node, opened.summary);
  opened.write(" is");
  opened.thoughts.draw();
  assert.equal(opened.node.open, true, "more text does not fold it");
});

test("folded reasoning is drawn when it is opened, not with each delta", () => {
  const { thoughts, node, summary, words, think } = shown("Let me", "Tea");
  think(" think");
  thoughts.draw();
  assert.equal(words.textContent, "Let me");
  clickOn(node, summary);
  assert.equal(words.textContent, "Let me think");
});

test("many changes are drawn in one frame", () => {
  const { thoughts, words, think } = shown("a");
  for (const piece of "bcd") {
    think(piece);
    thoughts.changed();
  }
  assert.equal(words.textContent, "a");
  assert.equal(drawFrame(), 1);
  assert.equal(words.textContent, "abcd");
  assert.equal(drawFrame(), 0);
});

test("a view that was left draws no more", () => {
  const { thoughts, words, think } = shown("a");
  think("b");
  thoughts.changed();
  thoughts.close();
  assert.equal(drawFrame(), 0);
  assert.equal(words.textContent, "a");
});

test("a job that has ended without a text is thinking no more, and its tokens are those that were counted", () => {
  const { thoughts, node, summary } = shown("Let me think");
  thoughts.setJob({ status: "completed", reasoning: { tokens: 4 } });
  drawFrame();
  assert.deepEqual([summary.textContent, node.open], ["Reasoning, 4 tokens", false]);
  thoughts.setJob({ status: "cancelled", reasoning: null });
  drawFrame();
  assert.deepEqual([summary.textContent, node.open], ["Reasoning, ≈ 3 tokens", true]);
});

test("a job that waits to be tried again is not thinking", () => {
  const { thoughts, summary } = shown("Let me think");
  thoughts.setJob({ status: "queued", reasoning: null });
  drawFrame();
  assert.equal(summary.textContent, "Reasoning, ≈ 3 tokens");
});

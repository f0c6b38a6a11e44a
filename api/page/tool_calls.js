// What a model called, in place of a text or after one: each tool with its arguments.

import { el, put } from "./dom.js";
import { t } from "./words.js";

/** Whether the answer of a job is a call, by what every form of a job says. */
export const calledTool = (job) => ["tool_calls", "function_call"].includes(job.finish_reason);

/** Show the calls of a job in this element; it is hidden without any. */
export function showCalls(node, job) {
  const { tool_calls = [], function_call } = (job.status === "completed" && job.message) || {};
  const calls = tool_calls.map((call) => call[call.type] ?? {});
  if (function_call) calls.push(function_call);
  node.hidden = calls.length === 0;
  if (node.hidden) return node.replaceChildren();
  return put(node, el("h2", {}, t("tool.calls", { count: calls.length })), ...calls.map(callFigure));
}

function callFigure(call) {
  return el(
    "figure",
    {},
    el("figcaption", {}, el("code", {}, call.name || t("tool.no_name"))),
    el("pre", { tabindex: "0", dir: "auto" }, indented(call.arguments ?? call.input ?? "")),
  );
}

/** JSON on several lines; anything else as it is. */
function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

// What one can do with a batch: download it, pause it, cancel it, let its failures run again.

import { ask, el, say } from "./dom.js";
import { downloadLink } from "./download.js";
import { plural } from "./format.js";
import { call } from "./net.js";
import { isFinal } from "./status.js";

const RETRIED = ["failed", "expired"];

/** The buttons; `show(batch)` brings them up to date, `onFault(error)` is told what went wrong, or null. */
export function batchActions(state, onFault) {
  const results = (format) => `/v1/batches/${state.id}/results?format=${format}`;
  const cancel = el("button", { type: "button", class: "grave-quiet", onclick: cancelBatch }, "Cancel");
  const pause = el("button", { type: "button", onclick: pauseBatch }, "Pause");
  const retry = el("button", { type: "button", onclick: retryFailures }, "Retry failures");
  const retryCut = el("button", { type: "button", onclick: retryCutShort }, "Retry cut short");
  const node = el(
    "div",
    { class: "actions" },
    el(
      "span",
      { class: "downloads", role: "group", "aria-label": "Download" },
      el("span", { class: "label", "aria-hidden": "true" }, "Download"),
      ...[
        ["md", "Markdown"],
        ["jsonl", "JSONL"],
        ["csv", "CSV"],
      ].map(([format, word]) =>
        downloadLink(results(format), `${state.id}.${format}`, `Download as ${word}`, word, onFault),
      ),
    ),
    retry,
    retryCut,
    pause,
    cancel,
  );

  async function cancelBatch() {
    const { total, completed, failed } = state.batch.request_counts;
    const left = plural(total - completed - failed, "article");
    const sure = await ask(
      `Cancel the ${left} of this batch that are not written yet? The text so far is kept.`,
      "Cancel them",
      "Let them be written",
    );
    if (sure) await act(cancel, "cancel", "The batch is being cancelled.");
  }

  async function pauseBatch() {
    const words = "The batch is paused. What is being written goes on.";
    if (await act(pause, "pause", words)) await state.reread();
  }

  async function retryFailures() {
    if (await act(retry, "retry", "The failures run again.")) state.watch();
  }

  async function retryCutShort() {
    const again = { which: ["incomplete"] };
    if (await act(retryCut, "retry", "The articles that were cut short are written again.", again)) state.watch();
  }

  async function act(button, verb, words, body) {
    button.disabled = true;
    onFault(null);
    try {
      const batch = await call(`/v1/batches/${state.id}/${verb}`, { method: "POST", body });
      if (batch.object === "batch") state.batch = batch;
      say(words);
      return true;
    } catch (error) {
      onFault(error);
      return false;
    } finally {
      button.disabled = false;
    }
  }

  return {
    node,
    show(batch) {
      pause.hidden = batch.status !== "in_progress" || batch.hold?.kind === "batch";
      cancel.hidden = isFinal(batch.status) || batch.status === "cancelling";
      const known = state.jobs.filter((job) => RETRIED.includes(job.status)).length;
      retry.hidden = known === 0 || batch.status === "cancelling";
      retry.textContent = `Retry ${plural(known, "failure")}`;
      const cut = state.jobs.filter((job) => job.incomplete).length;
      retryCut.hidden = cut === 0 || batch.status === "cancelling";
      retryCut.textContent = `Retry ${plural(cut, "article")} cut short`;
    },
  };
}

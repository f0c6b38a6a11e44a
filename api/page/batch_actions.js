// What one can do with a batch: download it, pause it, cancel it, let its failures run again, delete it.

import { deleteButton } from "./delete_button.js";
import { act, ask, el, menu, say } from "./dom.js";
import { downloadLink } from "./download.js";
import { call } from "./net.js";
import { isFinal } from "./status.js";
import { language, t } from "./words.js";

/** What may run again: the words of its button, which jobs these are, and how the API is asked for them. */
const RETRIES = [
  { word: "batch.retry", has: (job) => ["failed", "expired"].includes(job.status) },
  { word: "batch.retry_cut", has: (job) => Boolean(job.incomplete), body: { which: ["incomplete"] } },
  { word: "batch.retry_cancelled", has: (job) => job.status === "cancelled", body: { which: ["cancelled"] } },
];
const FORMATS = ["md", "jsonl", "csv", "zip"];
/** What names the files in a ZIP. */
const NAMES = ["custom_id", "heading", "id"];

/** The buttons; `show(batch)` brings them up to date, `onFault(error)` is told what went wrong, or null. */
export function batchActions(state, onFault) {
  const results = (format) => `/v1/batches/${state.id}/results?format=${format}&lang=${language}`;
  const links = FORMATS.map((format) => {
    const word = t(`download.${format}`);
    return downloadLink(results(format), `${state.id}.${format}`, t("download.as", { word }), word, onFault);
  });
  const zip = links[FORMATS.indexOf("zip")];
  const nameBy = menu(
    { "aria-label": t("download.name_by"), title: t("download.name_by"), onchange: nameFiles },
    NAMES.map((one) => [one, t(`download.name_by.${one}`)]),
  );
  const cancel = el("button", { type: "button", class: "grave-quiet", onclick: cancelBatch }, t("cancel"));
  const pause = el("button", { type: "button", onclick: pauseBatch }, t("batch.pause"));
  const retries = RETRIES.map((retry) => {
    const button = el("button", { type: "button", onclick: () => writeAgain(retry, button) });
    return button;
  });
  const remove = deleteButton({ path: `/v1/batches/${state.id}`, kind: "batch", whereTo: () => "#/", onFault });
  const node = el(
    "div",
    { class: "actions" },
    el(
      "span",
      { class: "downloads", role: "group", "aria-label": t("download") },
      el("span", { class: "label", "aria-hidden": "true" }, t("download")),
      ...links,
      nameBy,
    ),
    ...retries,
    pause,
    cancel,
    remove,
  );

  function nameFiles() {
    zip.href = `${results("zip")}&name_by=${nameBy.value}`;
  }

  async function cancelBatch() {
    const { total, completed, failed } = state.batch.request_counts;
    const question = t("batch.cancel.question", { count: total - completed - failed });
    const sure = await ask(question, t("batch.cancel.yes"), t("batch.cancel.no"));
    if (sure) await post(cancel, "cancel", t("batch.cancel.done"));
  }

  async function pauseBatch() {
    if (await post(pause, "pause", t("batch.pause.done"))) await state.reread();
  }

  async function writeAgain({ word, body }, button) {
    if (await post(button, "retry", t(`${word}.done`), body)) state.watch();
  }

  const post = (button, verb, words, body) =>
    act(
      button,
      async () => {
        const batch = await call(`/v1/batches/${state.id}/${verb}`, { method: "POST", body });
        if (batch.object === "batch") state.batch = batch;
        say(words);
      },
      onFault,
    );

  return {
    node,
    show(batch) {
      pause.hidden = batch.status !== "in_progress" || batch.hold?.kind === "batch";
      cancel.hidden = isFinal(batch.status) || batch.status === "cancelling";
      remove.hidden = !isFinal(batch.status);
      RETRIES.forEach(({ word, has }, at) => {
        const count = state.jobs.filter(has).length;
        retries[at].hidden = count === 0 || batch.status === "cancelling";
        retries[at].textContent = t(word, { count });
      });
    },
  };
}

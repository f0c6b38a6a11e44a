// What an earlier attempt wrote, over the page: it failed or was not accepted, and is still stored.

import { el, put, showDialog } from "./dom.js";
import { sentenceOf } from "./faults.js";
import { Markdown } from "./markdown.js";
import { callText } from "./net.js";
import { refused } from "./refusals.js";
import { t } from "./words.js";

export async function showEarlierText({ id }, { attempt, error }) {
  const place = el("div", {}, el("p", { class: "loading" }, t("job.reading")));
  const dialog = el(
    "dialog",
    { class: "earlier", "aria-labelledby": "earlier" },
    el("h2", { id: "earlier" }, t("earlier.title", { attempt })),
    error ? el("p", { class: "fault" }, sentenceOf(error)) : null,
    place,
    el("p", { class: "buttons" }, el("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, t("close"))),
  );
  addEventListener("hashchange", () => dialog.close(), { once: true });
  showDialog(dialog);
  try {
    const article = new Markdown();
    article.show(await callText(`/v1/jobs/${id}/text?attempt=${attempt}`));
    put(place, article.node);
  } catch (fault) {
    put(place, refused(fault));
  }
}

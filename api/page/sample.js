import { el } from "./dom.js";
import { t } from "./words.js";

/** A link that saves a table to begin with. */
export function sampleLink() {
  const href = `data:text/csv;charset=utf-8,${encodeURIComponent(t("sample.table"))}`;
  return el("a", { href, download: "topics.csv" }, t("sample"));
}

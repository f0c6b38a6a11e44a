import { el } from "./dom.js";
import { t } from "./words.js";

const SAMPLE = `custom_id,topic,words,audience
tea,green tea,150,beginners
rain,why it rains,120,children
pencil,the pencil,150,teachers
`;

/** A link that saves a table to begin with. */
export function sampleLink() {
  const href = `data:text/csv;charset=utf-8,${encodeURIComponent(SAMPLE)}`;
  return el("a", { href, download: "topics.csv" }, t("sample"));
}

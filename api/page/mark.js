// The mark on an ended job's text: whether what is shown is what is stored.

import { el, setText } from "./dom.js";
import { t } from "./words.js";

/** A mark that says nothing yet. */
export const makeMark = () => el("span", { class: "mark" });

/** Let a mark tell of a comparison (see `JobText.compare`); null or undefined: that there was none. */
export function setMark(mark, found) {
  setText(mark, found ? t(`mark.${found}`) : "");
  mark.title = found ? t(`mark.${found}.why`) : "";
  mark.dataset.found = found ?? "";
}

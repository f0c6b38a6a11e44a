// The mark on an ended job's text: whether what is shown is what is stored.

import { el, setText } from "./dom.js";

const MARKS = {
  same: ["= stored", "This is exactly the stored text: length and SHA-256 agree."],
  length: [
    "= stored in length",
    "The length agrees. SHA-256 is not available here: open the page over HTTPS or on localhost.",
  ],
  differs: ["not as stored", "This differs from the stored text. Reload to read it again."],
};

/** A mark that says nothing yet. */
export const makeMark = () => el("span", { class: "mark" });

/** Let a mark tell of a comparison (see `JobText.compare`); null or undefined: that there was none. */
export function setMark(mark, found) {
  const [words, why] = MARKS[found] ?? ["", ""];
  setText(mark, words);
  mark.title = why;
  mark.dataset.found = found ?? "";
}

// What was typed into the form and not sent yet: it survives other views, the back button and a reload.

import { recall, remember } from "./kept.js";

const TAB = "sessionStorage";
// What is too long for the browser's storage is still kept as long as the page is not reloaded.
let kept = null;

/** The draft, `{}` where there is none. */
export function recallDraft() {
  if (kept) return kept;
  try {
    return JSON.parse(recall("draft", TAB)) ?? {};
  } catch {
    return {}; // not written by this page
  }
}

/** Keep a draft; null forgets it. */
export function keepDraft(draft) {
  kept = draft;
  remember("draft", null, TAB);
  if (draft) remember("draft", JSON.stringify(draft), TAB);
}

// What this browser remembers: between visits, or as long as a tab lives. Storage may be full or forbidden, and nothing
// here is worth an error.

/** The remembered text under a name, or null. `where`: `localStorage`, or `sessionStorage` for this tab alone. */
export function recall(name, where = "localStorage") {
  try {
    return window[where].getItem(`longhand.${name}`);
  } catch {
    return null;
  }
}

/** Remember a text; null forgets it. */
export function remember(name, value, where = "localStorage") {
  try {
    if (value === null) window[where].removeItem(`longhand.${name}`);
    else window[where].setItem(`longhand.${name}`, value);
  } catch {
    // as above
  }
}

// What is too long for the browser's storage is still kept as long as the page is not reloaded.
const values = new Map();

/** Keep a value for this tab: it survives other views, the back button and a reload. Null forgets it. */
export function keepValue(name, value) {
  values.set(name, value);
  remember(name, null, "sessionStorage");
  if (value !== null) remember(name, JSON.stringify(value), "sessionStorage");
}

/** The value that was kept under a name, or null. */
export function recallValue(name) {
  if (values.has(name)) return values.get(name);
  try {
    return JSON.parse(recall(name, "sessionStorage"));
  } catch {
    return null; // not written by this page
  }
}

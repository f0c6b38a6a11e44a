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

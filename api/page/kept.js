// What this browser remembers between visits. Storage may be full or forbidden, and nothing here is worth an error.

/** The remembered text under a name, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(`longhand.${name}`);
  } catch {
    return null;
  }
}

/** Remember a text; null forgets it. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(`longhand.${name}`);
    else localStorage.setItem(`longhand.${name}`, value);
  } catch {
    // as above
  }
}

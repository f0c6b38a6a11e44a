// Elements, made without HTML: text is only ever text. The page's policy forbids the other way as well.

/** An element. `props`: `class`, `on<event>` functions, and attributes (null and false leave one out, true is bare). */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name === "value") made.value = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  put(made, ...children);
  return made;
}

/** Put these children into an element instead of what it has. Strings are text; null is nothing. */
export function put(parent, ...children) {
  parent.replaceChildren(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return parent;
}

/** Set an element's text only when it differs: writing the same again costs a layout. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Let screen readers say this once. For statuses, never for text that streams. */
export function say(words) {
  const place = document.getElementById("said");
  place.textContent = "";
  // In a later frame: a region that is emptied and filled in one is not read.
  requestAnimationFrame(() => {
    place.textContent = words;
  });
}

/** A box with what went wrong, in words. */
export function wrong(words, ...more) {
  return el("div", { class: "wrong", role: "alert" }, el("p", {}, words), ...more);
}

/** Ask before something that cannot be undone. Resolves to whether the answer was yes. */
export function ask(question, yes, no) {
  return new Promise((resolve) => {
    const refuse = el("button", { type: "button", autofocus: true, onclick: () => dialog.close("no") }, no);
    const agree = el("button", { type: "button", class: "grave", onclick: () => dialog.close("yes") }, yes);
    const dialog = el(
      "dialog",
      { "aria-labelledby": "question" },
      el("p", { id: "question" }, question),
      el("p", { class: "buttons" }, refuse, agree),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

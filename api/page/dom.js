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

/** A field of a form below its label. */
export function field(id, label, ...inputs) {
  return el("div", { class: "field" }, el("label", { for: id }, label), ...inputs);
}

/** A menu of these `[value, words]`. */
export function menu(props, options, chosen) {
  const make = ([value, words]) => el("option", { value, selected: value === chosen }, words);
  return el("select", props, ...options.map(make));
}

/** An element of a drawing. */
export function shape(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Show a dialog over the page. Resolves to what it was closed with. */
export function showDialog(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}

/** Ask before something that cannot be undone. Resolves to whether the answer was yes. */
export async function ask(question, yes, no) {
  const refuse = el("button", { type: "button", autofocus: true, onclick: () => dialog.close("no") }, no);
  const agree = el("button", { type: "button", class: "grave", onclick: () => dialog.close("yes") }, yes);
  const dialog = el(
    "dialog",
    { "aria-labelledby": "question" },
    el("p", { id: "question" }, question),
    el("p", { class: "buttons" }, refuse, agree),
  );
  return (await showDialog(dialog)) === "yes";
}

/** Do this while its button is disabled. Resolves to whether it went well; `onFault(error)` is told, and null before. */
export async function act(button, work, onFault) {
  button.disabled = true;
  onFault(null);
  try {
    await work();
    return true;
  } catch (error) {
    onFault(error);
    return false;
  } finally {
    button.disabled = false;
  }
}

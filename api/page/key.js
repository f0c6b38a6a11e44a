// The API key, where this Longhand asks for one. It lives as long as the tab, is sent as a header, and is in no address.

import { el, put, showDialog } from "./dom.js";
import { recall, remember } from "./kept.js";
import { pieces, t } from "./words.js";

const TAB = "sessionStorage";
let kept = recall("key", TAB); // where storage is forbidden, it lives as long as the page
let asking = null;
let declined = false;

/** Tells `given` when a key was entered. */
export const keys = new EventTarget();

/** The key that is sent, or null. */
export const heldKey = () => kept;

/** The header that carries it, if there is one. */
export const keyHeaders = () => (kept === null ? {} : { authorization: `Bearer ${kept}` });

/** Ask for a key after this one (null: none) was refused. Resolves to whether there is another to try with. */
export function askForKey(refused) {
  if (kept !== refused) return Promise.resolve(kept !== null);
  if (declined) return Promise.resolve(false);
  asking ??= ask(refused).then((key) => {
    asking = null;
    kept = key;
    remember("key", key, TAB);
    declined = key === null;
    showDeclined();
    if (key !== null) keys.dispatchEvent(new Event("given"));
    return key !== null;
  });
  return asking;
}

async function ask(refused) {
  const input = el("input", {
    type: "password",
    id: "api-key",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    pattern: "[!-~]+",
    title: t("key.title"),
    "aria-describedby": "api-key-why",
    autofocus: true,
  });
  let given = null;
  const use = (event) => {
    event.preventDefault();
    given = input.value.trim() || null;
    dialog.close();
  };
  const why = { id: "api-key-why", role: refused === null ? null : "alert" };
  const dialog = el(
    "dialog",
    { "aria-labelledby": "api-key-label" },
    el(
      "form",
      { class: "key", onsubmit: use },
      el("label", { id: "api-key-label", for: "api-key" }, t("key.label")),
      el("p", why, t(refused === null ? "key.why" : "key.refused")),
      el("p", { class: "small" }, ...pieces("key.make", { command: el("code", {}, t("command.key")) })),
      input,
      el(
        "p",
        { class: "buttons" },
        el("button", { type: "button", onclick: () => dialog.close() }, t("key.not_now")),
        el("button", { type: "submit", class: "main" }, t("key.use")),
      ),
    ),
  );
  await showDialog(dialog);
  return given;
}

/** Ask for another key, of another project, and show everything anew with it. */
export async function changeKey() {
  const key = await ask(null);
  if (key === null) return;
  kept = key;
  remember("key", key, TAB);
  location.reload();
}

/** Forget the key, and show what there is to see without one. */
export function signOut() {
  kept = null;
  remember("key", null, TAB);
  location.reload();
}

/** Say at the top that nothing can be read, and let it be mended. */
function showDeclined() {
  const enter = el("button", { type: "button", onclick: again }, t("key.enter"));
  put(document.getElementById("keyless"), ...(declined ? [t("key.none"), " ", enter] : []));
}

async function again() {
  declined = false;
  if (await askForKey(kept)) location.reload(); // what is shown was refused, all of it
}

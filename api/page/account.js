// Whose work is shown: the project of the key, in the masthead, and what one can do with the key.

import { el, put } from "./dom.js";
import { changeKey, heldKey, keys, signOut } from "./key.js";
import { call } from "./net.js";
import { pieces, t } from "./words.js";

/** Show the project of the key in the masthead; nothing without a key. */
export function wireAccount(link) {
  const show = async () => {
    if (heldKey() === null) return;
    try {
      const { project } = await call("/v1/me", { asksForKey: false });
      link.textContent = t("account.shown", { project });
      link.setAttribute("aria-label", t("account.link", { project }));
      link.hidden = false;
    } catch {
      // The view says what is wrong with the key, or with the network.
    }
  };
  keys.addEventListener("given", show);
  show();
}

/** What is to be said of the key of this tab, and buttons; `me` is what `GET /v1/me` answers. */
function keyPart(me) {
  const command = el("code", {}, t("command.key"));
  if (me.key === null) return [el("p", {}, ...pieces("account.open", { command }))];
  const prefix = el("code", {}, `${me.key.prefix}…`);
  const key = me.key.name ? el("span", {}, ...pieces("account.named", { prefix, name: me.key.name })) : prefix;
  return [
    el("p", {}, ...pieces(me.is_operator ? "account.operator" : "account.project", { key, project: me.project })),
    el("p", { class: "small" }, ...pieces("account.other", { command })),
    el(
      "p",
      { class: "buttons" },
      el("button", { type: "button", onclick: changeKey }, t("key.change")),
      el("button", { type: "button", onclick: signOut }, t("account.sign_out")),
    ),
  ];
}

/** An element that reads who asks and says it. */
export function accountPart(signal) {
  const node = el("div", {});
  call("/v1/me", { signal })
    .then((me) => put(node, ...keyPart(me)))
    .catch(() => put(node, el("p", { class: "note" }, t("unknown"))));
  return node;
}

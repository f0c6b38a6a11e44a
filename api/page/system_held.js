// What people hold: batches, models and projects, each with a button that lifts it.

import { el } from "./dom.js";
import { HoldBanner } from "./hold_banner.js";
import { t } from "./words.js";

export class HeldList {
  node = el("section", { class: "system-part", hidden: true }, el("h2", {}, t("held.title")));
  #banners = new Map();
  #list = el("div", {});

  constructor(onLifted) {
    this.onLifted = onLifted;
    this.node.append(this.#list);
  }

  show(held) {
    const keys = held.map(({ kind, target }) => `${kind} ${target}`);
    for (const [key, { banner, node }] of this.#banners) {
      if (keys.includes(key)) continue;
      banner.show(null); // gives the focus back, if it had it
      node.remove();
      this.#banners.delete(key);
    }
    held.forEach((hold, place) => {
      if (!this.#banners.has(keys[place])) this.#banners.set(keys[place], this.#make(hold));
      const { banner, node } = this.#banners.get(keys[place]);
      banner.show(hold);
      if (!node.isConnected) this.#list.append(node);
    });
    this.node.hidden = held.length === 0;
  }

  #make(hold) {
    const banner = new HoldBanner(this.onLifted);
    banner.node.setAttribute("aria-label", t("held.name", { name: hold.target }));
    const link = el("a", { href: `#/batches/${hold.target}` }, t("held.batch"));
    const isBatch = hold.kind === "batch";
    return { banner, node: el("div", {}, banner.node, isBatch ? el("p", { class: "small" }, link) : null) };
  }
}

import { el, put, setText } from "./dom.js";

/** Names and values in a row, brought up to date in place: what did not change can be selected and pointed at. */
export class Facts {
  node = el("dl", { class: "facts" });
  #values = new Map();

  /** `rows`: `[name, text or element]`; null leaves one out. */
  show(rows) {
    const shown = rows.filter(Boolean);
    if (shown.length !== this.#values.size || shown.some(([name]) => !this.#values.has(name))) {
      this.#values = new Map(shown.map(([name]) => [name, el("dd", {})]));
      put(this.node, ...[...this.#values].map(([name, value]) => el("div", {}, el("dt", {}, name), value)));
    }
    for (const [name, value] of shown) {
      const place = this.#values.get(name);
      if (typeof value === "string") setText(place, value);
      else if (place.firstChild !== value) put(place, value);
    }
  }
}

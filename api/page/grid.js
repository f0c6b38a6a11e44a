// A grid of cards of one size of which only those near the window are drawn, however many there are.

import { el } from "./dom.js";

const GAP = 16;
const LEAST_WIDTH = 290;
const SPARE_ROWS = 1;

export class Grid {
  node = el("ul", { class: "grid", role: "list" });
  #drawn = new Map();
  #count = 0;
  #frame = null;
  #sizes = new ResizeObserver(() => this.draw());

  /** `makeCard(index)` gives `{node, ...}`; `keyAt(index)` what the card is for; `onDrawn()` tells of each drawing. */
  constructor({ height, makeCard, keyAt, onDrawn }) {
    this.height = height;
    this.makeCard = makeCard;
    this.keyAt = keyAt;
    this.onDrawn = onDrawn;
    this.#sizes.observe(this.node);
    addEventListener("scroll", this.#onScroll, { passive: true });
    addEventListener("resize", this.#onScroll, { passive: true });
    this.node.addEventListener("keydown", (event) => this.#onKey(event));
  }

  #onScroll = () => {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.draw();
    });
  };

  /** The cards that are drawn, by key. */
  get drawn() {
    return this.#drawn;
  }

  setCount(count) {
    this.#count = count;
    this.draw();
  }

  /** Draw the cards that are near the window, and no others but the one that has the focus. */
  draw() {
    const box = this.node.getBoundingClientRect();
    if (!box.width) return;
    const columns = Math.max(1, Math.floor((box.width + GAP) / (LEAST_WIDTH + GAP)));
    const width = (box.width - GAP * (columns - 1)) / columns;
    const step = this.height + GAP;
    const rows = Math.ceil(this.#count / columns);
    this.columns = columns;
    this.node.style.height = `${Math.max(0, rows * step - GAP)}px`;
    const first = Math.max(0, Math.floor(-box.top / step) - SPARE_ROWS) * columns;
    const end = Math.min(this.#count, Math.ceil(Math.max(0, innerHeight - box.top) / step + SPARE_ROWS) * columns);
    const wanted = new Map();
    for (let index = first; index < end; index += 1) wanted.set(this.keyAt(index), index);
    for (const [key, { card, index }] of this.#drawn) {
      if (wanted.has(key)) continue;
      // A card that is taken away takes the focus with it.
      if (card.node.contains(document.activeElement) && this.keyAt(index) === key) wanted.set(key, index);
      else {
        card.node.remove();
        this.#drawn.delete(key);
      }
    }
    let before = null;
    // Backwards, so that the order of the elements is the order of reading.
    for (const [key, index] of [...wanted].sort((one, other) => other[1] - one[1])) {
      let entry = this.#drawn.get(key);
      if (!entry) this.#drawn.set(key, (entry = { card: this.makeCard(index) }));
      entry.index = index;
      const { node } = entry.card;
      node.setAttribute("aria-posinset", String(index + 1));
      node.setAttribute("aria-setsize", String(this.#count));
      node.style.width = `${width}px`;
      node.style.height = `${this.height}px`;
      node.style.transform = `translate(${(index % columns) * (width + GAP)}px, ${Math.floor(index / columns) * step}px)`;
      if (node.parentNode !== this.node || node.nextSibling !== before) this.node.insertBefore(node, before);
      before = node;
    }
    this.onDrawn();
  }

  /** Arrow keys go from card to card, also to those that are not drawn yet. */
  #onKey(event) {
    const entry = [...this.#drawn.values()].find(({ card }) => card.node.contains(event.target));
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns, ArrowUp: -this.columns };
    let next = null;
    if (event.key in steps) next = (entry?.index ?? 0) + steps[event.key];
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = this.#count - 1;
    if (!entry || next === null || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#goTo(next);
  }

  /** Go on to the next (1) or the previous (-1) card; at first to the first one. */
  step(by) {
    const entry = [...this.#drawn.values()].find(({ card }) => card.node.contains(document.activeElement));
    this.#goTo(entry ? entry.index + by : 0);
  }

  #goTo(next) {
    if (next < 0 || next >= this.#count) return;
    const top = this.node.getBoundingClientRect().top + Math.floor(next / this.columns) * (this.height + GAP);
    if (top < 0 || top + this.height > innerHeight) scrollBy({ top: top - innerHeight / 3, behavior: "instant" });
    this.draw();
    this.#drawn.get(this.keyAt(next))?.card.node.querySelector("a").focus({ preventScroll: true });
  }

  close() {
    this.#sizes.disconnect();
    removeEventListener("scroll", this.#onScroll);
    removeEventListener("resize", this.#onScroll);
    cancelAnimationFrame(this.#frame);
  }
}

// A small chart of the last minutes of a batch: tokens per second, and how many articles are being written.

import { el, put, setText, shape } from "./dom.js";
import { rate } from "./format.js";
import { t } from "./words.js";

const WIDTH = 240;
const HEIGHT = 40;
const MOST = 120;
const STEP_MS = 1000;
const LEAST = 5;

/** The corners of a line through these values, from the oldest at the left; 0 is at the bottom, the largest at the top. */
export function pointsOf(values, { width = WIDTH, height = HEIGHT } = {}) {
  const top = Math.max(...values, 1e-9);
  const step = width / Math.max(1, values.length - 1);
  return values
    .map((value, at) => `${(at * step).toFixed(1)},${(height - (value / top) * height).toFixed(1)}`)
    .join(" ");
}

export class PaceChart {
  node = el("figure", { class: "pace", hidden: true });
  #samples = [];
  #addedAt = -Infinity;
  #lines = { speed: shape("polyline", { class: "speed" }), running: shape("polyline", { class: "running" }) };
  #words = el("figcaption", {});

  constructor() {
    const { speed, running } = this.#lines;
    const drawn = shape("svg", { viewBox: `0 -2 ${WIDTH} ${HEIGHT + 4}`, "aria-hidden": "true" }, speed, running);
    put(this.node, drawn, this.#words);
  }

  /** Take what is so now; at most once a second it becomes a point. */
  add(speed, running, now = performance.now()) {
    if (now - this.#addedAt < STEP_MS) return;
    this.#addedAt = now;
    this.#samples.push({ speed, running });
    if (this.#samples.length > MOST) this.#samples.shift();
    this.node.hidden = this.#samples.length < LEAST;
    if (this.node.hidden) return;
    for (const [name, line] of Object.entries(this.#lines))
      line.setAttribute("points", pointsOf(this.#samples.map((sample) => sample[name])));
    const most = (name) => Math.max(...this.#samples.map((sample) => sample[name]));
    setText(this.#words, t("pace", { speed: rate(most("speed")), running: most("running") }));
  }
}

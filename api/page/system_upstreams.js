// The upstreams: how each is doing, what limits it, and a button that pauses it or lets it go on.

import { act, ask, el, put, say } from "./dom.js";
import { sentenceOf } from "./faults.js";
import { duration, number, time } from "./format.js";
import { HoldBanner } from "./hold_banner.js";
import { call } from "./net.js";
import { faultsIn } from "./refusals.js";
import { badge, setBadge } from "./status.js";
import { pieces, t } from "./words.js";

export class UpstreamList {
  node = el("div", {});
  #cards = new Map();

  constructor(onChanged) {
    this.onChanged = onChanged;
  }

  show(upstreams, isOperator) {
    const names = upstreams.map(({ name }) => name);
    for (const name of this.#cards.keys()) if (!names.includes(name)) this.#cards.delete(name);
    for (const upstream of upstreams) {
      if (!this.#cards.has(upstream.name)) this.#cards.set(upstream.name, new UpstreamCard(upstream, this.onChanged));
      this.#cards.get(upstream.name).show(upstream, isOperator);
    }
    const nodes = names.map((name) => this.#cards.get(name).node);
    // What stays where it is keeps the focus.
    if (nodes.length === this.node.children.length && nodes.every((node) => node.parentNode === this.node)) return;
    put(this.node, ...(nodes.length ? nodes : [el("p", { class: "note" }, t("upstreams.nothing"))]));
  }
}

class UpstreamCard {
  constructor(upstream, onChanged) {
    this.name = upstream.name;
    this.onChanged = onChanged;
    this.state = badge("queued");
    this.facts = el("span", { class: "figures" });
    this.models = el("ul", { class: "models", role: "list" });
    this.error = el("p", { class: "small", dir: "auto" });
    this.fault = el("div", {});
    this.hold = new HoldBanner(onChanged);
    this.hold.node.setAttribute("aria-label", t("held.name", { name: this.name }));
    this.pause = el(
      "button",
      { type: "button", "aria-label": t("upstreams.pause.name", { name: this.name }), onclick: () => this.#pause() },
      t("upstreams.pause"),
    );
    this.node = el(
      "div",
      { class: "upstream" },
      el("div", { class: "row-line" }, el("h3", {}, this.name), this.state, this.facts, this.pause),
      el("p", { class: "small url" }, upstream.url),
      this.hold.node,
      this.models,
      this.error,
      this.fault,
    );
  }

  show(upstream, isOperator) {
    const { state, hold, in_use: lanes } = upstream;
    const error = lastErrorOf(upstream);
    setBadge(this.state, ...stateOf(upstream));
    put(this.facts, factsOf(upstream).join(" · "));
    const held = hold && { ...hold, kind: "upstream", target: this.name, url: upstream.url, may_resume: isOperator };
    this.hold.show(held);
    this.pause.hidden = !isOperator || state !== "ok";
    put(this.models, ...(lanes ?? []).filter((lane) => lane.running || lane.limited_by).map(modelLine));
    this.error.hidden = !error;
    if (error) put(this.error, ...pieces("upstreams.error", { when: time(error.at), reason: sentenceOf(error) }));
  }

  async #pause() {
    const { name } = this;
    const sure = await ask(t("upstreams.pause.question", { name }), t("upstreams.pause.yes"), t("upstreams.pause.no"));
    if (!sure) return;
    const pause = async () => {
      await call(`/v1/upstreams/${encodeURIComponent(name)}/pause`, { method: "POST" });
      say(t("upstreams.pause.done"));
      await this.onChanged();
    };
    await act(this.pause, pause, faultsIn(this.fault));
  }
}

/** Its sign and words. That it is not held does not say that it works: it may refuse everything, or never be asked. */
function stateOf({ state, refused, first_delta_seconds: first }) {
  if (state === null) return ["queued", t("upstreams.unknown")];
  if (state === "held") return ["on_hold", t("status.on_hold")];
  if (refused) return ["failed", t("upstreams.refuses", { count: refused.count })];
  return first === null ? ["queued", t("upstreams.unused")] : ["completed", t("upstreams.ok")];
}

/** What went wrong last, which the latest articles may know better than the API's own note. */
function lastErrorOf({ last_error: noted, refused }) {
  return refused && (!noted || refused.error.at >= noted.at) ? refused.error : noted;
}

function factsOf({ running, limits, first_delta_seconds: first }) {
  const { max_streams: most, requests_per_minute: requests, tokens_per_minute: tokens } = limits;
  const facts = [];
  const count = running;
  if (running !== null)
    facts.push(most === null ? t("upstreams.running", { count }) : t("upstreams.running_of", { count, most }));
  if (requests !== null) facts.push(t("upstreams.requests_limit", { limit: requests }));
  if (tokens !== null) facts.push(t("upstreams.tokens_limit", { limit: tokens }));
  if (first !== null) facts.push(t("upstreams.first_delta", { time: duration(first) }));
  return facts;
}

function modelLine(lane) {
  const { used, limit } = lane.requests_per_minute;
  const running = number(lane.running);
  const facts = [lane.window === null ? running : t("upstreams.window", { running, window: Math.floor(lane.window) })];
  if (limit !== null) facts.push(t("upstreams.requests", { used: Math.round(used ?? 0), limit: Math.round(limit) }));
  return el(
    "li",
    {},
    el(
      "div",
      { class: "row-line" },
      el("span", { dir: "auto" }, lane.model),
      el("span", { class: "figures small", title: lane.window === null ? null : t("upstreams.window.why") }, facts.join(" · ")),
    ),
    lane.limited_by ? el("p", { class: "small" }, t(`waits.${lane.limited_by}`)) : null,
  );
}

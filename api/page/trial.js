// A trial of the first articles. What is left is kept until somebody has looked at them and submits it: exactly the rest,
// and once, however often the button is pressed.

import { act, el, put } from "./dom.js";
import { keepValue, recallValue } from "./kept.js";
import { call } from "./net.js";
import { faultsIn } from "./refusals.js";
import { t } from "./words.js";

export const TRIED = 3;

/** An order for a batch of `count` as two: `first` with a few of them, and `rest` with all others. */
export function cutOrder(order, count) {
  const part = (requests, input) => (order.requests ? { ...order, requests } : { ...order, input: { ...order.input, ...input } });
  const title = order.metadata?.title;
  const named = title ? { metadata: { title: t("trial.name", { title, count: TRIED }).slice(0, 200) } } : {};
  return {
    first: { ...part(order.requests?.slice(0, TRIED), { take: TRIED }), ...named },
    rest: { order: part(order.requests?.slice(TRIED), { skip: TRIED }), count: count - TRIED },
  };
}

/** Keep what is left of a trial: `{order, count, key}`; once it is submitted, `{count, batch}`. */
export const keepTrial = (id, rest) => keepValue(`trial.${id}`, rest);

/** What is offered beside the batch of a trial; empty beside any other. */
export function trialPart(id) {
  const node = el("div", {});
  const fault = el("div", {});
  show();

  function show() {
    const rest = recallValue(`trial.${id}`);
    if (!rest) return;
    const { count, batch } = rest;
    const button = el("button", { type: "button", onclick: () => submitRest(rest, button) }, t("trial.submit", { count }));
    put(
      node,
      el(
        "div",
        { class: "trial", role: "status" },
        el("p", {}, batch ? t("trial.done", { count }) : t("trial.is", { count: TRIED })),
        batch
          ? el("a", { href: `#/batches/${batch}` }, t("trial.show"))
          : el("p", { class: "actions" }, button, el("a", { class: "button", href: "#/new" }, t("trial.change"))),
        fault,
      ),
    );
  }

  async function submitRest({ order, count, key }, button) {
    const submit = async () => {
      const made = await call("/v1/batches", { method: "POST", body: order, headers: { "idempotency-key": key } });
      if (made.status === "failed") throw made.errors.data[0];
      keepTrial(id, { count, batch: made.id });
      show();
      location.hash = `#/batches/${made.id}`;
    };
    await act(button, submit, faultsIn(fault));
  }
  return node;
}

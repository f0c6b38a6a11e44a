// One batch: how far it is, and a card for each of its jobs.

import { BatchState } from "./batch_state.js";
import { batchActions } from "./batch_actions.js";
import { Card, jobName } from "./card.js";
import { el, put, say, wrong } from "./dom.js";
import { batchNotes } from "./batch_notes.js";
import { BatchWaits } from "./batch_waits.js";
import { Facts } from "./facts.js";
import { duration, number, rate, short, time } from "./format.js";
import { Grid } from "./grid.js";
import { HoldBanner } from "./hold_banner.js";
import { onReturn } from "./net.js";
import { restoreScroll } from "./router.js";
import { ProgressBar, badge, isFinal, setBadge, shownBatchStatus, shownStatus, statusWord } from "./status.js";
import { unread } from "./unread.js";
import { batchName } from "./view_batches.js";

const CARD_HEIGHT = 224;
const FRAME_MS = 100;
const FACTS_MS = 500;
const FILTERS = ["all", "in_progress", "queued", "completed", "cut_short", "failed"];
const ENDED_BADLY = ["failed", "cancelled", "expired"];

export function batchView(id) {
  const heading = el("h1", { dir: "auto" }, "Batch");
  const status = badge("in_progress");
  const bar = new ProgressBar("Progress of the batch");
  const facts = new Facts();
  const notes = el("div", {});
  const fault = el("div", {});
  const refused = el("div", {});
  const filters = el("div", { class: "filters", role: "group", "aria-label": "Show" });
  const find = el("input", {
    type: "search",
    placeholder: "Find by name",
    "aria-label": "Find a card by its name",
    oninput: () => filter(),
  });
  const nothing = el("p", { class: "note", hidden: true }, "No article matches.");
  const body = el("div", { hidden: true });
  const loading = el("p", { class: "loading" }, "Reading the batch …");
  const dirty = new Set();
  const closed = new AbortController();
  let chosen = "all";
  let listed = [];
  let restored = false;
  let stale = false;
  let heard = null;
  let submitted = null;
  let held = undefined;
  let factsAt = 0;

  const state = new BatchState(id, {
    onBatch: showBatch,
    onJobs(ids) {
      for (const one of ids) dirty.add(one);
      stale = true;
      if (restored) return;
      filter();
      if (state.jobs.length >= state.batch.request_counts.total) {
        restored = true;
        restoreScroll();
      }
    },
    onText: (ids) => ids.forEach((one) => dirty.add(one)),
    onFault: (error) => put(fault, wrong(error.message)),
    isDrawn: (one) => grid.drawn.has(one),
  });
  const grid = new Grid({
    height: CARD_HEIGHT,
    keyAt: (index) => listed[index]?.id,
    makeCard: (index) => new Card(state, listed[index], (job) => waits.of(job)),
    onDrawn: settleDrawn,
  });
  const waits = new BatchWaits(state, {
    isLookedAt: () => queuedCards().length > 0,
    onChange: updateQueued,
  });
  const banner = new HoldBanner(() => state.reread());
  const actions = batchActions(state, (error) => put(refused, error && wrong(error.message)));

  function showBatch() {
    const { batch } = state;
    loading.hidden = true;
    body.hidden = false;
    fault.replaceChildren();
    heading.textContent = batchName(batch);
    setBadge(status, shownBatchStatus(batch));
    if (JSON.stringify(batch.hold) !== held) updateQueued();
    held = JSON.stringify(batch.hold);
    banner.show(batch.hold);
    bar.show(batch.request_counts);
    actions.show(batch);
    showFacts();
    if (heard !== null && heard !== batch.status) say(`The batch is now: ${statusWord(batch.status)}.`);
    heard = batch.status;
    heading.dispatchEvent(new Event("renamed", { bubbles: true }));
  }

  function queuedCards() {
    return [...grid.drawn.keys()].filter((key) => state.byId.get(key)?.status === "queued");
  }

  function updateQueued() {
    for (const key of queuedCards()) dirty.add(key);
  }

  function settleDrawn() {
    for (const key of grid.drawn.keys()) if (state.byId.has(key)) state.settle(state.byId.get(key));
  }

  function showFacts() {
    const { batch } = state;
    factsAt = performance.now();
    submitted ??= time(batch.created_at);
    if (!notes.firstChild) put(notes, ...batchNotes(batch));
    const { total, completed, failed, in_progress: writing, incomplete } = batch.request_counts;
    const ended = isFinal(batch.status)
      ? (batch.completed_at ?? batch.failed_at ?? batch.cancelled_at ?? batch.expired_at)
      : null;
    let speed = 0;
    for (const [jobId, text] of state.texts) if (state.byId.get(jobId)?.status === "in_progress") speed += text.rate();
    const left = total - completed - failed;
    facts.show([
      ["Completed", `${number(completed)} of ${number(total)}`],
      incomplete ? ["Cut short", number(incomplete)] : null,
      failed ? ["Not completed", number(failed)] : null,
      writing ? ["Being written", number(writing)] : null,
      left - writing > 0 ? ["Queued", number(left - writing)] : null,
      batch.usage?.output_tokens ? ["Tokens written", short(batch.usage.output_tokens)] : null,
      batch.usage?.input_tokens ? ["Tokens read", short(batch.usage.input_tokens)] : null,
      speed ? ["Rate", `≈ ${rate(speed)} tokens/s`] : null,
      ended ? ["Took", duration(ended - batch.created_at)] : null,
      ["Submitted", submitted],
    ]);
  }

  function filter() {
    stale = false;
    actions.show(state.batch);
    const sought = find.value.trim().toLowerCase();
    const is = (job, name) =>
      name === "all" || (name === "failed" ? ENDED_BADLY.includes(job.status) : shownStatus(job) === name);
    listed = state.jobs.filter(
      (job) => is(job, chosen) && (!sought || jobName(job, job.index).toLowerCase().includes(sought)),
    );
    showFilters(is);
    nothing.hidden = listed.length > 0 || !state.jobs.length;
    grid.setCount(listed.length);
  }

  function showFilters(is) {
    FILTERS.forEach((name, place) => {
      const count = state.jobs.filter((job) => is(job, name)).length;
      let button = filters.children[place];
      if (!button) {
        button = el("button", {
          type: "button",
          onclick: () => {
            chosen = name;
            filter();
          },
        });
        filters.append(button);
      }
      const word = name === "all" ? "All" : name === "failed" ? "Not completed" : statusWord(name);
      button.textContent = `${word} ${number(count)}`;
      button.setAttribute("aria-pressed", String(name === chosen));
      button.hidden = count === 0 && name !== chosen && name !== "all";
    });
  }

  // At most so often: a person cannot read faster, and 50 jobs may tell something 50 times a second.
  const timer = setInterval(() => {
    if (document.hidden) return;
    if (stale) filter();
    const writing = [...grid.drawn].filter(([key]) => state.byId.get(key)?.status === "in_progress");
    for (const [key, { card }] of grid.drawn) if (dirty.has(key)) card.update();
    // A rate falls also while nothing comes.
    for (const [key, { card }] of writing) if (!dirty.has(key)) card.update();
    dirty.clear();
    if (writing.length && performance.now() - factsAt > FACTS_MS) showFacts();
  }, FRAME_MS);

  async function start() {
    fault.replaceChildren();
    loading.hidden = false;
    try {
      await state.start();
    } catch (error) {
      if (error.name === "AbortError") return;
      loading.hidden = true;
      put(fault, unread(error, start));
    }
  }
  // Back at this tab, or back on the network: what could not be read is read, and a retry made elsewhere is seen.
  onReturn(() => {
    if (state.batch === null) return start();
    grid.draw();
    return state.lookAgain();
  }, closed.signal);
  start();

  put(
    body,
    el("div", { class: "bar-line" }, bar.node),
    banner.node,
    facts.node,
    notes,
    actions.node,
    refused,
    el("h2", { class: "unseen" }, "Articles"),
    el("div", { class: "tools" }, filters, find),
    nothing,
    grid.node,
  );
  return {
    state,
    grid,
    title: () => (state.batch ? `${doneShare(state.batch)}${batchName(state.batch)}` : "Batch"),
    node: el(
      "section",
      { class: "batch" },
      el("p", { class: "crumbs" }, el("a", { href: "#/" }, "Batches")),
      el("div", { class: "head" }, heading, status),
      el("p", { class: "id" }, id),
      fault,
      loading,
      body,
    ),
    close() {
      clearInterval(timer);
      closed.abort();
      waits.close();
      state.close();
      grid.close();
    },
  };
}

function doneShare(batch) {
  const { total, completed, failed } = batch.request_counts;
  return isFinal(batch.status) || !total ? "" : `${Math.floor(((completed + failed) / total) * 100)}% · `;
}

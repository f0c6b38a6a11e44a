// One batch: how far it is, and a card for each of its jobs.

import { BatchState } from "./batch_state.js";
import { batchActions } from "./batch_actions.js";
import { Card } from "./card.js";
import { CardFilters } from "./card_filters.js";
import { factRows } from "./batch_facts.js";
import { withCounts } from "./counts.js";
import { el, put, say, setText, wrong } from "./dom.js";
import { batchNotes } from "./input_notes.js";
import { BatchWaits } from "./batch_waits.js";
import { FailureGroups } from "./failure_groups.js";
import { Facts } from "./facts.js";
import { time } from "./format.js";
import { Grid } from "./grid.js";
import { HoldBanner } from "./hold_banner.js";
import { batchName, jobName } from "./names.js";
import { onReturn } from "./net.js";
import { Prompts } from "./prompts.js";
import { faultsIn } from "./refusals.js";
import { restoreScroll } from "./router.js";
import { PaceChart } from "./pace_chart.js";
import { trialPart } from "./trial.js";
import { ofCompleted, outcomeOf, percentOf, progressLine, secondsLeft } from "./outcome.js";
import { ProgressBar, badge, isFinal, setBadge } from "./status.js";
import { unread } from "./unread.js";
import { t } from "./words.js";

const CARD_HEIGHT = 224;
const FRAME_MS = 100;
const FACTS_MS = 500;

export function batchView(id) {
  const heading = el("h1", { dir: "auto" }, t("batch"));
  const status = badge("in_progress");
  status.hidden = true; // nothing is known of it yet
  const bar = new ProgressBar(t("progress.batch"));
  const far = el("p", { class: "small" });
  const facts = new Facts();
  const chart = new PaceChart();
  const failures = new FailureGroups(() => filter());
  const notes = el("div", {});
  const fault = el("div", {});
  const unheard = el("div", {});
  const refusal = el("div", {});
  const nothing = el("p", { class: "note", hidden: true }, t("batch.no_match"));
  const body = el("div", { hidden: true });
  const loading = el("p", { class: "loading" }, t("batch.reading"));
  const dirty = new Set();
  const closed = new AbortController();
  let listed = [];
  let restored = false;
  let stale = false;
  let heard = null;
  let submitted = null;
  let held = undefined;
  let factsAt = 0;

  const state = new BatchState(id, {
    onBatch() {
      showBatch();
      restoreOnce();
    },
    onJobs(ids) {
      for (const one of ids) dirty.add(one);
      stale = true;
      if (restored) return;
      filter();
      restoreOnce();
    },
    onText: (ids) => ids.forEach((one) => dirty.add(one)),
    onFault: faultsIn(fault),
    onUnread: () => put(unheard, wrong(t("net.unread.event"))),
    isDrawn: (one) => grid.drawn.has(one),
  });
  const prompts = new Prompts((one) => dirty.add(one));
  const filters = new CardFilters({ nameOf, onChange: () => filter(), onAll: () => failures.openAll() });
  const grid = new Grid({
    height: CARD_HEIGHT,
    keyAt: (index) => listed[index]?.id,
    makeCard: (index) => new Card(state, listed[index], { waitsOf: (job) => waits.of(job), prompts }),
    onDrawn: settleDrawn,
  });
  const waits = new BatchWaits(state, {
    isLookedAt: () => queuedCards().length > 0,
    onChange() {
      updateQueued();
      showFacts();
    },
  });
  const banner = new HoldBanner(() => state.reread());
  const actions = batchActions(state, faultsIn(refusal));

  function nameOf(job) {
    return jobName(job, { text: state.texts.get(job.id)?.text, prompt: prompts.known(job.id) });
  }

  function restoreOnce() {
    if (restored || !state.isListed) return;
    restored = true;
    restoreScroll();
  }

  function showBatch() {
    const { batch } = state;
    loading.hidden = true;
    body.hidden = false;
    fault.replaceChildren();
    heading.textContent = batchName(batch);
    if (JSON.stringify(batch.hold) !== held) updateQueued();
    held = JSON.stringify(batch.hold);
    banner.show(batch.hold);
    actions.show(batch);
    showFacts();
    if (heard !== null && heard !== batch.status) say(t("batch.now", { status: outcomeOf(counted()).words }));
    heard = batch.status;
    heading.dispatchEvent(new Event("renamed", { bubbles: true }));
  }

  const counted = () => withCounts(state.batch, state.jobs);

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
    const batch = counted();
    factsAt = performance.now();
    submitted ??= time(batch.created_at);
    if (!notes.firstChild) put(notes, ...batchNotes(batch));
    const { sign, words } = outcomeOf(batch);
    setBadge(status, sign, words);
    status.hidden = false;
    bar.show(batch.request_counts);
    const { total, completed, failed, in_progress: writing } = batch.request_counts;
    let speed = 0;
    let growing = 0;
    for (const [jobId, text] of state.texts) {
      if (state.byId.get(jobId)?.status !== "in_progress") continue;
      speed += text.rate();
      growing += text.tokens + text.thoughtTokens;
    }
    const tokens = batch.usage?.output_tokens ?? 0;
    const written = Math.round(tokens + growing);
    const left = total - completed - failed;
    const seconds = secondsLeft({ left, ...ofCompleted(state.byId.values()), writing, writtenNow: growing, speed });
    setText(far, progressLine(batch, seconds, waits.whyFirst()));
    if (writing) chart.add(speed, writing);
    facts.show(factRows(batch, { written, isGrowing: growing > 0, speed, submitted }));
  }

  function filter() {
    stale = false;
    failures.show(state.jobs);
    actions.show(state.batch);
    showFacts();
    const found = filters.list(state.jobs);
    listed = filters.showsAll ? found.filter((job) => !failures.hides(job)) : found;
    failures.tell(found.length - listed.length);
    nothing.hidden = found.length > 0 || !state.jobs.length;
    grid.setCount(listed.length);
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
    el("div", { class: "bar-line" }, bar.node, far),
    banner.node,
    trialPart(id),
    el("div", { class: "facts-line" }, facts.node, chart.node),
    notes,
    failures.node,
    actions.node,
    refusal,
    el("h2", { class: "unseen" }, t("articles")),
    filters.node,
    nothing,
    failures.folded,
    grid.node,
  );
  return {
    state,
    grid,
    title: () => (state.batch ? `${doneShare(state.batch)}${batchName(state.batch)}` : t("batch")),
    node: el(
      "section",
      { class: "batch" },
      el("p", { class: "crumbs" }, el("a", { href: "#/" }, t("crumbs.home"))),
      el("div", { class: "head" }, heading, status),
      el("p", { class: "id" }, id),
      unheard,
      fault,
      loading,
      body,
    ),
    step: (by) => grid.step(by),
    close() {
      clearInterval(timer);
      closed.abort();
      waits.close();
      prompts.close();
      state.close();
      grid.close();
    },
  };
}

function doneShare(batch) {
  const counts = batch.request_counts;
  return isFinal(batch.status) || !counts.total ? "" : `${percentOf(counts)}% · `;
}

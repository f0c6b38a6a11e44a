// All batches, newest first, with how far each has come.

import { batchName } from "./batch_name.js";
import { el, put, wrong } from "./dom.js";
import { short, time } from "./format.js";
import { call, onReturn } from "./net.js";
import { restoreScroll } from "./router.js";
import { outcomeOf, progressLine } from "./outcome.js";
import { ProgressBar, badge, isFinal, setBadge } from "./status.js";
import { t } from "./words.js";

const PAGE = 20;
const BUSY_MS = 1500;
const IDLE_MS = 6000;

export function batchesView() {
  const rows = new Map();
  const list = el("ol", { class: "batches", role: "list", "aria-label": "Batches" });
  const place = el("div", { class: "loading" }, el("p", {}, "Reading the batches …"));
  const older = el("button", { type: "button", hidden: true, onclick: readOlder }, "Older batches");
  const fault = el("div", {});
  let timer = null;
  let last = null;
  let turns = 0;
  const closed = new AbortController();

  async function refresh() {
    clearTimeout(timer);
    const turn = (turns += 1);
    let busy = false;
    try {
      const page = await call(`/v1/batches?limit=${PAGE}`, { signal: closed.signal });
      if (turn !== turns) return; // a later one tells what is newer, and goes on
      fault.replaceChildren();
      page.data.forEach((batch, index) => showRow(batch, index));
      const isFirst = last === null;
      if (isFirst) setLast(page);
      put(place, ...(rows.size ? [] : [emptyDesk()]));
      place.className = "";
      if (isFirst) restoreScroll();
      busy = page.data.some((batch) => !isFinal(batch.status));
    } catch (error) {
      if (turn !== turns || error.name === "AbortError") return;
      if (error.status !== 0 || !rows.size) put(fault, wrong(`The batches could not be read. ${error.message}`));
      if (!rows.size) place.replaceChildren();
    }
    timer = setTimeout(refresh, busy && !document.hidden ? BUSY_MS : IDLE_MS);
  }

  function setLast(page) {
    last = page.last_id;
    older.hidden = !page.has_more;
  }

  async function readOlder() {
    older.disabled = true;
    try {
      const page = await call(`/v1/batches?limit=${PAGE}&after=${last}`, { signal: closed.signal });
      const first = rows.size;
      page.data.forEach((batch) => showRow(batch, rows.size));
      setLast(page);
      list.children[first]?.querySelector("a")?.focus();
    } catch (error) {
      if (error.name !== "AbortError") put(fault, wrong(`Older batches could not be read. ${error.message}`));
    } finally {
      older.disabled = false;
    }
  }

  function showRow(batch, index) {
    let row = rows.get(batch.id);
    if (!row) {
      row = new Row(batch);
      rows.set(batch.id, row);
      list.insertBefore(row.node, list.children[index] ?? null);
    }
    row.show(batch);
  }

  onReturn(refresh, closed.signal);
  refresh();
  return {
    title: () => "Batches",
    node: el(
      "section",
      {},
      el(
        "div",
        { class: "head" },
        el("h1", {}, "Batches"),
        el("a", { class: "button main", href: "#/new" }, "New batch"),
      ),
      fault,
      place,
      list,
      el("p", { class: "more" }, older),
    ),
    close() {
      closed.abort();
      clearTimeout(timer);
    },
  };
}

class Row {
  constructor(batch) {
    this.link = el("a", { href: `#/batches/${batch.id}`, dir: "auto" }, batchName(batch));
    this.badge = badge(batch.status);
    this.bar = new ProgressBar(`Progress of ${batchName(batch)}`);
    this.counts = el("p", { class: "counts" });
    this.node = el(
      "li",
      { class: "batch-row" },
      el("div", { class: "row-head" }, el("h2", {}, this.link), this.badge),
      this.bar.node,
      el("div", { class: "row-foot" }, this.counts, el("p", { class: "when" }, time(batch.created_at))),
    );
  }

  show(batch) {
    const { sign, words } = outcomeOf(batch);
    setBadge(this.badge, sign, words);
    this.bar.show(batch.request_counts);
    this.counts.textContent = countsLine(batch);
  }
}

/** The counts of a batch in words. */
function countsLine(batch) {
  const { total, completed, failed, in_progress: writing, incomplete } = batch.request_counts;
  const words = [`${short(completed)} of ${short(total)} completed`];
  if (!isFinal(batch.status)) words.unshift(progressLine(batch, null));
  if (incomplete) words.push(`${short(incomplete)} cut short`);
  if (writing) words.push(`${short(writing)} being written`);
  if (failed) words.push(`${short(failed)} not completed`);
  if (batch.usage?.output_tokens)
    words.push(
      t(isFinal(batch.status) ? "tokens.written.list" : "tokens.ended", { count: batch.usage.output_tokens }),
    );
  return words.join(" · ");
}

function emptyDesk() {
  return el(
    "div",
    { class: "empty" },
    el("p", { class: "empty-title" }, "The desk is clear"),
    el(
      "p",
      {},
      "Give it a prompt, a list of them, or a file. You can watch every article while it is written, close this page, and come back: nothing is lost.",
    ),
    el("p", {}, el("a", { class: "button main", href: "#/new" }, "Write something")),
  );
}

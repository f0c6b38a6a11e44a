// The system at one glance: what runs, what waits and why, the upstreams, the workers, and whose key this is.

import { accountPart } from "./account.js";
import { el, put, wrong } from "./dom.js";
import { call, onReturn } from "./net.js";
import { refusalOf } from "./refusals.js";
import { badge, setBadge } from "./status.js";
import { HeldList } from "./system_held.js";
import { noticesOf } from "./system_notices.js";
import { queuePart, tilesOf, workersPart } from "./system_parts.js";
import { UpstreamList } from "./system_upstreams.js";
import { t } from "./words.js";

const LOOK_MS = 2500;

export function systemView() {
  const closed = new AbortController();
  const [fault, notices, tiles, queue, workers] = Array.from({ length: 5 }, () => el("div", {}));
  const versions = el("p", { class: "small" });
  const state = badge("queued");
  setBadge(state, "queued", t("system.badge.reading"));
  const held = new HeldList(() => look());
  const upstreams = new UpstreamList(() => look());
  const loading = el("p", { class: "loading" }, t("system.reading"));
  const parts = el(
    "div",
    { hidden: true },
    notices,
    tiles,
    held.node,
    part("queue.title", queue),
    part("upstreams.title", upstreams.node),
    part("workers.title", workers, versions),
    part("account.title", accountPart(closed.signal)),
  );
  let timer = null;
  let turns = 0;

  async function look() {
    clearTimeout(timer);
    const turn = (turns += 1);
    try {
      const status = await call("/v1/status", { signal: closed.signal });
      if (turn !== turns) return; // a later look tells what is newer, and goes on
      fault.replaceChildren();
      show(status);
    } catch (error) {
      if (turn !== turns || error.name === "AbortError") return;
      if (parts.hidden) setBadge(state, "failed", t(error.status === 0 ? "system.badge.away" : "unknown"));
      // A lost network is told at the top; what was seen last stays.
      if (error.status !== 0 || parts.hidden) put(fault, wrong(t("system.fault", { reason: refusalOf(error) })));
      loading.hidden = true;
    }
    timer = setTimeout(look, document.hidden ? 4 * LOOK_MS : LOOK_MS);
  }

  function show(status) {
    const found = noticesOf(status);
    const all = status.upstreams ?? [];
    const isWell = found.length === 0 && !all.some(({ state: its, refused }) => its === "held" || refused);
    setBadge(state, isWell ? "completed" : "partly_failed", t(isWell ? "system.well" : "system.not_well"));
    putIfNew(notices, found.map(String).join("\n"), () => found.map((notice) => notice.node()));
    put(tiles, tilesOf(status));
    held.show(status.held ?? []);
    put(queue, ...queuePart(status));
    upstreams.show(all, status.is_operator);
    put(workers, ...workersPart(status.workers));
    const { version, database } = status;
    versions.textContent = t("system.versions", { version, revision: database.revision ?? t("unknown") });
    loading.hidden = true;
    parts.hidden = false;
  }

  onReturn(look, closed.signal);
  look();
  return {
    title: () => t("system.title"),
    node: el(
      "section",
      { class: "system" },
      el("div", { class: "head" }, el("h1", {}, t("system.title")), state),
      fault,
      loading,
      parts,
    ),
    close() {
      closed.abort();
      clearTimeout(timer);
    },
  };
}

function part(title, ...children) {
  return el("section", { class: "system-part" }, el("h2", {}, t(title)), ...children);
}

/** An alert that is put again is read again: only what is new is. */
function putIfNew(parent, key, make) {
  if (parent.dataset.shown === key) return;
  parent.dataset.shown = key;
  put(parent, ...make());
}

// The parts of the system view that are only read: figures, queue and workers.

import { el } from "./dom.js";
import { duration, number, rate, time } from "./format.js";
import { badge, setBadge } from "./status.js";
import { whyItWaits } from "./waiting_words.js";
import { has, pieces, t } from "./words.js";

const SIGNS = { running: "completed", draining: "cancelling", lost: "failed" };

/** The figures at the top. */
export function tilesOf({ queue, workers, database, redis }) {
  const sum = (list, name) => list.reduce((total, one) => total + (one[name] ?? 0), 0);
  const waiting = queue && number(sum(queue, "queued"));
  const isMore = queue?.some((line) => !line.counted_all);
  return el(
    "dl",
    { class: "tiles" },
    tile("system.writing", queue ? number(sum(queue, "running")) : "–"),
    tile("system.waiting", queue ? (isMore ? t("system.more", { count: waiting }) : waiting) : "–"),
    tile("system.free", workers ? number(sum(workers, "free")) : "–"),
    tile("system.database", speedOf(database), database.state),
    tile("system.redis", speedOf(redis), redis.state),
  );
}

const speedOf = ({ state, latency_ms: ms }) =>
  state === "ok" ? t("system.ms", { ms: ms < 100 ? rate(ms) : number(Math.round(ms)) }) : t(`system.${state}`);

function tile(key, value, state = "ok") {
  return el("div", { "data-state": state }, el("dt", {}, t(key)), el("dd", {}, value));
}

/** A line for each model of each project, with why the first of its articles waits. */
export function queuePart({ queue, queue_has_more: hasMore, project }) {
  if (queue === null) return [el("p", { class: "note" }, t("queue.unknown"))];
  if (queue.length === 0) return [el("p", { class: "note" }, t("queue.nothing"))];
  const isOfMany = queue.some((line) => line.project !== project);
  const list = el("ul", { class: "rows", role: "list" }, ...queue.map((line) => queueLine(line, isOfMany)));
  return [list, hasMore ? el("p", { class: "small" }, t("queue.has_more")) : null];
}

function queueLine(line, isOfMany) {
  const counts = [];
  if (line.running) counts.push(t("queue.writing", { count: line.running }));
  if (line.queued) counts.push(t(line.counted_all ? "queue.waiting" : "queue.waiting_more", { count: line.queued }));
  return el(
    "li",
    {},
    el(
      "div",
      { class: "row-line" },
      el("h3", { dir: "auto" }, line.model),
      isOfMany ? el("span", { class: "small" }, t("queue.project", { project: line.project })) : null,
      el("span", { class: "figures" }, counts.join(" · ")),
    ),
    line.queued ? el("p", { class: "small" }, t("queue.first", { why: whyFirst(line) })) : null,
  );
}

function whyFirst(line) {
  if (line.limited_by === null) return t("queue.soon");
  if (line.limited_by === "retry") return t("waits.retry_soon");
  if (!line.hold && !has(`waits.${line.limited_by}`)) return line.limited_by_message;
  return whyItWaits({ attempt: 0 }, line);
}

/** A line for each worker. */
export function workersPart(workers) {
  if (workers === null) return [el("p", { class: "note" }, t("workers.unknown"))];
  if (workers.length === 0) {
    const values = { worker: el("code", {}, t("command.worker")), up: el("code", {}, t("command.up")) };
    return [el("p", { class: "note" }, ...pieces("notice.no_worker", values))];
  }
  const isOneThere = workers.some(({ state }) => state !== "lost");
  return [el("ul", { class: "rows", role: "list" }, ...workers.map((worker) => workerLine(worker, isOneThere)))];
}

/** What is to be known of a worker that does not simply run. */
function aboutWorker({ state, running: count, lease_until: until }, isOneThere) {
  if (state !== "lost") return state === "running" ? null : t(`workers.${state}.why`);
  if (!count) return t("workers.lost.nothing");
  const left = until ? until - Date.now() / 1000 : 0;
  if (left > 0) return t("workers.lost.soon", { count, time: duration(Math.ceil(left)) });
  return t(isOneThere ? "workers.lost.now" : "workers.lost.waits", { count });
}

function workerLine(worker, isOneThere) {
  const state = badge("queued");
  setBadge(state, SIGNS[worker.state], t(`workers.${worker.state}`));
  const { running, streams, version } = worker;
  const used =
    streams === null ? t("workers.running_only", { count: running }) : t("workers.streams", { running, streams });
  const isLost = worker.state === "lost";
  const why = aboutWorker(worker, isOneThere);
  return el(
    "li",
    {},
    el("div", { class: "row-line" }, el("h3", {}, worker.name), state, el("span", { class: "figures" }, used)),
    streams === null || isLost ? null : meter(running, streams),
    el(
      "p",
      { class: "small" },
      ...pieces("workers.seen", { when: time(worker.seen_at) }),
      version === null ? null : ` · ${t("workers.version", { version })}`,
    ),
    why ? el("p", { class: "small" }, why) : null,
  );
}

/** How much is used, for the eye; the words beside it say the same. */
function meter(used, all) {
  const [full, rest] = [el("span", { class: "part in_progress" }), el("span", { class: "part" })];
  full.style.flexGrow = String(used);
  rest.style.flexGrow = String(Math.max(0, all - used));
  const node = el("div", { class: "progress", "aria-hidden": "true" }, full, rest);
  node.style.setProperty("--rest", "0");
  return node;
}

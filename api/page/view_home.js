// Home: all batches and single articles, newest first, with how far each has come.

import { el, put, wrong } from "./dom.js";
import { Feed } from "./feed.js";
import { ArticleRow, BatchRow } from "./home_rows.js";
import { onReturn } from "./net.js";
import { Prompts } from "./prompts.js";
import { detailsLeft, refusalOf } from "./refusals.js";
import { go, restoreScroll } from "./router.js";
import { isFinal } from "./status.js";
import { otherProject } from "./unread.js";
import { t } from "./words.js";

const BUSY_MS = 1500;
const IDLE_MS = 6000;
const KINDS = ["all", "batches", "articles"];

export function homeView() {
  const rows = new Map();
  const list = el("ol", { class: "batches", role: "list", "aria-label": t("home.title") });
  const place = el("div", { class: "loading" }, el("p", {}, t("home.reading")));
  const older = el("button", { type: "button", hidden: true, onclick: readOlder }, t("home.older"));
  const fault = el("div", {});
  const closed = new AbortController();
  const feed = new Feed(closed.signal);
  const prompts = new Prompts(() => show());
  const kinds = el(
    "div",
    { class: "filters", role: "group", "aria-label": t("home.show") },
    ...KINDS.map((kind) => el("button", { type: "button", onclick: () => choose(kind) }, t(`home.${kind}`))),
  );
  const tools = el("div", { class: "tools", hidden: true }, kinds, searchForm());
  let chosen = "all";
  let timer = null;
  let turns = 0;
  let isRead = false;

  async function refresh() {
    clearTimeout(timer);
    const turn = (turns += 1);
    try {
      await feed.refresh();
      if (turn !== turns) return; // a later one tells what is newer, and goes on
      fault.replaceChildren();
      const isFirst = !isRead;
      isRead = true;
      show();
      if (isFirst) restoreScroll();
    } catch (error) {
      if (turn !== turns || error.name === "AbortError") return;
      if (error.status !== 0 || !rows.size) put(fault, unreadList(error));
      if (!rows.size) place.replaceChildren();
    }
    const busy = feed.list("all").some(({ item }) => !isFinal(item.status));
    timer = setTimeout(refresh, busy && !document.hidden ? BUSY_MS : IDLE_MS);
  }

  function show() {
    const wanted = feed.list(chosen);
    const shown = new Set(wanted.map(({ item }) => item.id));
    for (const [id, row] of rows) if (!shown.has(id)) row.node.remove();
    wanted.forEach(({ kind, item }, index) => {
      if (!rows.has(item.id)) rows.set(item.id, kind === "batches" ? new BatchRow(item) : new ArticleRow(item, prompts));
      const row = rows.get(item.id);
      row.show(item);
      // Only what is new is moved: a row that is moved loses the focus.
      if (list.children[index] !== row.node) list.insertBefore(row.node, list.children[index] ?? null);
    });
    [...kinds.children].forEach((button, at) => button.setAttribute("aria-pressed", String(KINDS[at] === chosen)));
    older.hidden = !feed.hasMore(chosen);
    const isEmpty = feed.list("all").length === 0;
    tools.hidden = isEmpty;
    put(place, isEmpty ? emptyDesk() : wanted.length ? null : el("p", { class: "note" }, t("home.nothing")));
    place.className = "";
  }

  function choose(kind) {
    chosen = kind;
    show();
  }

  async function readOlder() {
    older.disabled = true;
    const first = list.children.length;
    try {
      await feed.readOlder(chosen);
      show();
      list.children[first]?.querySelector("a")?.focus();
    } catch (error) {
      if (error.name !== "AbortError") put(fault, unreadList(error));
    } finally {
      older.disabled = false;
    }
  }

  onReturn(refresh, closed.signal);
  refresh();
  return {
    title: () => t("home.title"),
    node: el(
      "section",
      {},
      el(
        "div",
        { class: "head" },
        el("h1", {}, t("home.title")),
        el("a", { class: "button main", href: "#/new" }, t("home.new")),
      ),
      fault,
      tools,
      place,
      list,
      el("p", { class: "more" }, older),
    ),
    close() {
      closed.abort();
      prompts.close();
      clearTimeout(timer);
    },
  };
}

const unreadList = (error) => wrong(t("home.fault", { reason: refusalOf(error) }), detailsLeft(error));

function searchForm() {
  const words = el("input", { type: "search", "aria-label": t("home.search"), placeholder: t("home.search") });
  const submit = (event) => {
    event.preventDefault();
    go(`#/search?${new URLSearchParams({ q: words.value.trim() })}`);
  };
  return el("form", { class: "sorting", role: "search", onsubmit: submit }, words, el("button", {}, t("home.search.button")));
}

function emptyDesk() {
  return el(
    "div",
    { class: "empty" },
    el("p", { class: "empty-title" }, t("home.empty")),
    el("p", {}, t("home.empty.hint")),
    el("p", {}, el("a", { class: "button main", href: "#/new" }, t("home.empty.write"))),
    otherProject(),
  );
}

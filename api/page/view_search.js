// Search in what is stored; without a passage, all articles, newest first.

import { el, field, menu, put, say, setText } from "./dom.js";
import { sentenceOf } from "./faults.js";
import { plain, time } from "./format.js";
import { jobName } from "./names.js";
import { call, callText } from "./net.js";
import { Prompts } from "./prompts.js";
import { refused } from "./refusals.js";
import { restoreScroll } from "./router.js";
import { jobBadge, statusWord } from "./status.js";
import { t } from "./words.js";

const PAGE = 20;
const STATUSES = ["completed", "in_progress", "queued", "failed", "cancelled", "expired"];
const AROUND = 130;

export function searchView(query) {
  const sought = query.get("q") ?? "";
  const passage = el("input", { type: "search", id: "q", name: "q", value: sought, autocomplete: "off" });
  const statuses = [["", t("search.any_status")], ...STATUSES.map((one) => [one, statusWord(one)])];
  const status = menu({ id: "status", name: "status" }, statuses, query.get("status"));
  const model = el("input", {
    type: "text",
    id: "model",
    name: "model",
    value: query.get("model") ?? "",
    autocomplete: "off",
  });
  const found = el("ol", { class: "found", role: "list", "aria-label": t("articles") });
  const place = el("div", {}, el("p", { class: "loading" }, t("search.reading")));
  const more = el("button", { type: "button", hidden: true, onclick: () => read() }, t("search.more"));
  const closed = new AbortController();
  /** By job id, what shows its name: it may be called by its prompt, which is read later. */
  const named = new Map();
  const prompts = new Prompts((id) => named.get(id)());
  let last = null;

  const form = el(
    "form",
    {
      class: "search",
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));
        const hash = `#/search${asked.size ? `?${asked}` : ""}`;
        if (hash === location.hash) dispatchEvent(new Event("hashchange"));
        else location.hash = hash;
      },
    },
    field("q", t("search.passage"), passage),
    field("status", t("search.status"), status),
    field("model", t("form.model"), model),
    el("button", { class: "main" }, t("home.search.button")),
  );

  async function read() {
    const asked = new URLSearchParams({ limit: String(PAGE) });
    for (const name of ["q", "status", "model", "batch_id", "custom_id"])
      if (query.get(name)) asked.set(name, query.get(name));
    if (last) asked.set("after", last);
    const first = found.children.length;
    try {
      const page = await call(`/v1/jobs?${asked}`, { signal: closed.signal });
      for (const job of page.data) found.append(row(job));
      last = page.last_id;
      more.hidden = !page.has_more;
      place.replaceChildren();
      const count = found.children.length;
      if (!count) put(place, nothing());
      else if (first) found.children[first]?.querySelector("a").focus();
      say(count ? t(page.has_more ? "search.at_least" : "search.count", { count }) : t("search.none.said"));
      if (!first) restoreScroll();
    } catch (error) {
      if (error.name === "AbortError") return;
      const again = el("button", { type: "button", onclick: () => read() }, t("again"));
      put(place, refused(error, again));
    }
  }

  function nothing() {
    const empty = (title, ...hint) =>
      el("div", { class: "empty" }, el("p", { class: "empty-title" }, title), el("p", {}, ...hint));
    const write = el("a", { href: "#/new" }, t("home.empty.write"));
    return sought || query.get("status") || query.get("model")
      ? empty(t("search.none"), t("search.none.hint"))
      : empty(t("search.nothing"), t("search.nothing.hint"), " ", write);
  }

  function row(job) {
    const snippet = el("p", { class: "snippet", dir: "auto" });
    const tokens = job.usage?.output_tokens ? ` · ${t("tokens.written", { count: job.usage.output_tokens })}` : "";
    const name = el("a", { href: `#/jobs/${job.id}`, dir: "auto" });
    let text = "";
    const showName = () => setText(name, jobName(job, { text, prompt: job.custom_id ? "" : prompts.of(job.id) }));
    named.set(job.id, showName);
    showName();
    const showText = (written) => {
      text = written;
      if (text) put(snippet, ...around(text, sought));
      showName();
    };
    if (job.error) snippet.textContent = sentenceOf(job.error);
    if (sought || (job.bytes && !job.error)) readText(job, showText);
    return el(
      "li",
      { class: "hit" },
      el("div", { class: "row-head" }, el("h2", {}, name), jobBadge(job)),
      snippet,
      el("p", { class: "when" }, job.model, tokens, " · ", time(job.created_at)),
    );
  }

  async function readText(job, show) {
    try {
      show(await callText(`/v1/jobs/${job.id}/text?partial=true`, { signal: closed.signal }));
    } catch {
      // The hit itself is shown; only the words around it are missing.
    }
  }

  read();
  return {
    title: () => (sought ? t("search.quoted", { sought }) : t("search")),
    node: el(
      "section",
      {},
      el("div", { class: "head" }, el("h1", {}, sought ? t("search.heading", { sought }) : t("search"))),
      form,
      place,
      found,
      el("p", { class: "more" }, more),
    ),
    close() {
      closed.abort();
      prompts.close();
    },
  };
}

/** The words around the first place where a text has what was sought, that marked. */
function around(text, sought) {
  const at = sought ? text.toLowerCase().indexOf(sought.toLowerCase()) : -1;
  if (at < 0) return [plain(text.slice(0, AROUND * 2)) + (text.length > AROUND * 2 ? " …" : "")];
  const from = Math.max(0, at - AROUND);
  const end = Math.min(text.length, at + sought.length + AROUND);
  const raw = text.slice(from, end);
  const near = plain(raw);
  // What was sought may have marks of Markdown in it.
  const shown = near.toLowerCase().includes(sought.toLowerCase()) ? near : raw;
  const place = shown.toLowerCase().indexOf(sought.toLowerCase());
  if (place < 0) return [shown]; // lower case can be longer
  return [
    (from ? "… " : "") + shown.slice(0, place),
    el("mark", {}, shown.slice(place, place + sought.length)),
    shown.slice(place + sought.length) + (end < text.length ? " …" : ""),
  ];
}

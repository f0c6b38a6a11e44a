// Submit: a prompt, a list of them, or a file. What is wrong is shown with its line, and then nothing is sent.

import { acceptPart } from "./accept_part.js";
import { el, field, menu, put, say, wrong } from "./dom.js";
import { filePart } from "./file_part.js";
import { inTermsOfLines, readList } from "./input.js";
import { keepValue, recall, recallValue, remember } from "./kept.js";
import { modelSettings, offerModels } from "./model_settings.js";
import { call } from "./net.js";
import { detailsLeft, placed, refusalOf } from "./refusals.js";
import { go } from "./router.js";
import { TRIED, cutOrder, keepTrial } from "./trial.js";
import { t } from "./words.js";

const WAYS = ["prompt", "list", "file"];
const WINDOWS = ["", "1h", "24h", "7d"];

export function newView() {
  // What was typed and not sent yet.
  const draft = recallValue("draft") ?? {};
  const prompt = el("textarea", {
    id: "prompt",
    rows: "7",
    placeholder: t("form.prompt.example"),
    value: draft.prompt,
    oninput: changed,
  });
  const list = el("textarea", {
    id: "list",
    rows: "10",
    placeholder: t("form.list.example"),
    value: draft.list,
    oninput: changed,
    "aria-describedby": "list-count",
  });
  const listCount = el("p", { id: "list-count", class: "hint" }, t("form.list.hint"));
  const file = filePart(changed);
  const model = el("input", {
    type: "text",
    id: "model",
    value: draft.model ?? recall("model") ?? "",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "model-hint",
    oninput: changed,
  });
  const title = el("input", {
    type: "text",
    id: "title",
    maxlength: "200",
    autocomplete: "off",
    value: draft.title,
    oninput: changed,
  });
  const settings = modelSettings(draft, changed);
  const accept = acceptPart(draft, changed);
  const windows = WINDOWS.map((value) => [value, t(`form.window.${value || "none"}`)]);
  const until = menu({ id: "window", onchange: changed }, windows, draft.until);
  const closed = new AbortController();
  const models = offerModels(model, closed.signal);
  const submit = el("button", { class: "main" }, t("form.submit"));
  const tryFirst = el("button", { type: "button", onclick: (event) => send(event, true) }, t("trial.try", { count: TRIED }));
  const faults = el("div", { id: "faults" });
  const parts = {
    prompt: field("prompt", t("form.prompt"), prompt),
    list: field("list", t("form.list"), list, listCount),
    file: file.node,
  };
  // Kept until something is changed, so that sending twice after a lost answer submits once.
  let key = null;
  let way = draft.way ?? "prompt";
  let isSent = false;

  const ways = el(
    "fieldset",
    { class: "ways" },
    el("legend", {}, t("form.ways")),
    ...WAYS.map((name) =>
      el(
        "label",
        {},
        el("input", { type: "radio", name: "way", value: name, checked: name === way, onchange: () => choose(name) }),
        el("span", {}, t(`form.way.${name}`)),
      ),
    ),
  );

  function choose(name) {
    way = name;
    for (const [part, node] of Object.entries(parts)) node.hidden = part !== name;
    for (const radio of ways.querySelectorAll("input")) radio.checked = radio.value === name;
    changed();
  }

  function changed() {
    key = null;
    faults.replaceChildren();
    const count = way === "list" ? readList(list.value).length : way === "file" ? file.count() : 0;
    listCount.textContent = way === "list" && count ? t("form.list.count", { count }) : t("form.list.hint");
    submit.textContent = way !== "prompt" && count ? t("form.submit.count", { count }) : t("form.submit");
    tryFirst.hidden = count <= TRIED;
    titleField.hidden = modelHint.hidden = way === "prompt";
  }

  /** What is to be sent: `{path, body, lines}`, or `{faults, more, at}`; of a file it is a promise. */
  function read() {
    const named = model.value.trim();
    const set = settings.read();
    const rules = accept.read();
    const unset = [set, rules].find((part) => part.fault);
    if (unset) return { faults: [{ line: null, message: unset.fault }], at: unset.at };
    if (way === "prompt") {
      if (!prompt.value.trim()) return { faults: [{ line: null, message: t("form.prompt.empty") }], at: prompt };
      if (!named) return { faults: [{ line: null, message: t("form.model.missing") }], at: model };
      const messages = [...set.system, { role: "user", content: prompt.value }];
      const body = { model: named, messages, ...set.body, ...rules.body };
      // A deadline belongs to batches; then it is a batch of one.
      if (until.value)
        return { path: "/v1/batches", body: { requests: [{ body }], completion_window: until.value }, lines: [] };
      return { path: "/v1/jobs", body, lines: [] };
    }
    if (way === "file") return readFile(named, set, rules.body);
    const items = readList(list.value);
    if (!items.length) return { faults: [{ line: null, message: t("form.list.empty") }], at: list };
    if (!named) return { faults: [{ line: null, message: t("form.model.missing") }], at: model };
    const requests = items.map(({ messages }) => ({
      body: { model: named, messages: [...set.system, ...messages], ...set.body },
    }));
    const body = { requests, ...rules.body, ...terms() };
    return { path: "/v1/batches", body, lines: items.map(({ line }) => line), count: items.length };
  }

  async function readFile(named, set, rules) {
    const order = await file.order(named);
    // Lines that say something themselves keep it.
    const defaults = { ...set.body, ...(set.system.length ? { system: set.system[0].content } : {}) };
    if (Object.keys(defaults).length) rules = { ...rules, defaults };
    if (order.faults) return { ...order, at: order.lacksModel ? model : order.more === undefined ? file.input : null };
    return { path: "/v1/batches", body: { ...order, ...rules, ...terms() }, lines: [], count: file.count() };
  }

  /** What is said of a batch as a whole. */
  function terms() {
    const said = until.value ? { completion_window: until.value } : {};
    const name = title.value.trim() || file.title(way);
    return name ? { ...said, metadata: { title: name.slice(0, 200) } } : said;
  }

  async function send(event, isTrial = false) {
    event.preventDefault();
    if (submit.disabled) return; // the keyboard's way of sending does not mind
    faults.replaceChildren();
    submit.disabled = tryFirst.disabled = true;
    let ready = { lines: [] };
    try {
      ready = await read();
      if (ready.faults) return showFaults(ready.faults, ready.more, ready.at);
      key ??= newKey();
      const sent = key;
      const { first, rest } = isTrial ? cutOrder(ready.body, ready.count) : { first: ready.body };
      const headers = { "idempotency-key": isTrial ? `${sent}-first` : sent };
      const made = await call(ready.path, { method: "POST", body: first, headers });
      if (made.status === "failed") return showFaults(made.errors.data, 0, null);
      remember("model", model.value.trim() || null);
      say(t("form.submitted"));
      if (isTrial) keepTrial(made.id, { ...rest, key: `${sent}-rest` });
      else if (recallValue("draft")?.key === sent) keepValue("draft", null);
      if (closed.signal.aborted) return; // whoever went elsewhere meanwhile is left there
      isSent = !isTrial; // what is tried may be changed and tried again
      key = null;
      go(made.object === "job" ? `#/jobs/${made.id}` : `#/batches/${made.id}`);
    } catch (error) {
      showFaults([inTermsOfLines(error, ready.lines)], 0, null);
    } finally {
      submit.disabled = tryFirst.disabled = false;
    }
  }

  function showFaults(found, more, at) {
    const lines = found.map(placed).map(([where, what]) =>
      el("li", {}, where, refusalOf(what), detailsLeft(what)),
    );
    const count = more ? el("p", {}, t("form.more_lines", { count: more })) : null;
    const words =
      found.length === 1 ? t("form.not_sent") : t("form.not_sent.lines", { count: found.length + (more ?? 0) });
    const box = wrong(words, el("ul", {}, ...lines), count);
    if (way === "file") file.hideFaults();
    box.tabIndex = -1;
    put(faults, box);
    (at ?? box).focus();
  }

  const titleField = field("title", t("form.title"), title);
  const modelHint = el("p", { id: "model-hint", class: "hint" }, t("form.model.hint"));
  const form = el(
    "form",
    { class: "new", novalidate: true, onsubmit: send },
    ways,
    ...Object.values(parts),
    el(
      "div",
      { class: "fields" },
      field("model", t("form.model"), model, models, modelHint),
      titleField,
      field("window", t("form.window"), until),
    ),
    settings.node,
    accept.node,
    faults,
    el("p", { class: "buttons" }, submit, tryFirst),
  );
  // Dropped anywhere on the form, a file is a file.
  form.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    form.classList.add("dropping");
  });
  form.addEventListener("dragleave", () => form.classList.remove("dropping"));
  form.addEventListener("drop", (event) => {
    form.classList.remove("dropping");
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    choose("file");
    file.take(event.dataTransfer.files[0]);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  function keep() {
    const typed = { prompt: prompt.value, list: list.value, title: title.value, system: settings.values().system };
    const isEmpty = !Object.values(typed).some((value) => value.trim());
    const all = { ...typed, ...settings.values(), ...accept.values(), model: model.value, until: until.value, way, key };
    keepValue("draft", isSent || isEmpty ? null : all);
  }
  addEventListener("pagehide", keep, { signal: closed.signal });
  choose(way);
  key = draft.key ?? null;
  return {
    title: () => t("home.new"),
    node: el("section", {}, el("div", { class: "head" }, el("h1", {}, t("form.heading"))), form),
    close() {
      keep();
      closed.abort();
    },
  };
}

function newKey() {
  // Not randomUUID: browsers give it to secure places alone.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

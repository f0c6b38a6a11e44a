// The part of the form for a file: chosen or dropped; for a table with a template and what it makes.

import { ChosenFile } from "./chosen_file.js";
import { el, menu, put, wrong } from "./dom.js";
import { fileNotes } from "./input_notes.js";
import { namingField } from "./naming_field.js";
import { placed, refusalOf } from "./refusals.js";
import { t } from "./words.js";

const MOST_FAULTS = 10;
const PAUSE_MS = 250;
const ENDINGS = ".jsonl,.ndjson,.json,.csv,.tsv,.tab,.txt,text/csv,text/plain,application/jsonl";
const ENCODINGS = [
  ["utf-8", "UTF-8"],
  ["utf-16", "UTF-16"],
  ["gb18030", "GB18030 / GBK"],
  ["big5", "Big5"],
  ["shift_jis", "Shift_JIS"],
  ["euc-kr", "EUC-KR"],
  ["windows-1252", "Windows-1252"],
  ["windows-1250", "Windows-1250"],
  ["windows-1251", "Windows-1251"],
];
// Columns that name a row rather than say what to write about.
const NO_TOPIC = /^(custom_id|model|id|no|nr|number|编号|序号)$/i;
const lacksModel = ({ code, param }) => code === "missing_required_parameter" && param === "body.model";

/** A link that saves a table to begin with. */
function sampleLink() {
  const href = `data:text/csv;charset=utf-8,${encodeURIComponent(t("sample.table"))}`;
  return el("a", { href, download: "topics.csv" }, t("sample"));
}

/** What keeps a file from being sent. Lines without a model are one fault: one field mends them all. */
function faultsOf({ mistakes, mistake_count: total }) {
  if (mistakes.every(lacksModel)) return { faults: [{ line: null, message: t("form.model.missing") }], more: 0, lacksModel: true };
  return { faults: mistakes.slice(0, MOST_FAULTS), more: Math.max(0, total - MOST_FAULTS) };
}

/** The node, and what it does: `take(file)`, `count()`, `title()`, `order(model)`. */
export function filePart(changed) {
  const input = el("input", {
    type: "file",
    id: "file",
    accept: ENDINGS,
    "aria-describedby": "file-hint",
    // Else a file that was mended and is chosen again would be no change, and not be read.
    onclick: () => {
      input.value = "";
    },
    onchange: () => input.files[0] && take(input.files[0]),
  });
  const template = el("textarea", {
    id: "template",
    rows: "3",
    "aria-describedby": "template-hint",
    oninput: templateChanged,
  });
  const encodings = [["", t("form.encoding.detect")], ...ENCODINGS];
  const encoding = menu({ id: "encoding", onchange: lookAgain }, encodings);
  const example = el("p", { class: "example", dir: "auto" });
  const columns = el("span", { class: "chips" });
  const preview = el("div", {
    class: "wide",
    tabindex: "0",
    role: "region",
    "aria-label": t("form.rows"),
    hidden: true,
  });
  const summary = el("div", { id: "file-summary" });
  const naming = namingField(lookAgain);
  const encodingPart = el(
    "div",
    { class: "field apart", hidden: true },
    el("label", { for: "encoding" }, t("form.encoding")),
    encoding,
  );
  const tablePart = el(
    "div",
    { class: "field apart", hidden: true },
    el("label", { for: "template" }, t("form.template")),
    template,
    el("p", { id: "template-hint", class: "hint" }, t("form.template.hint"), " ", columns),
    example,
    preview,
  );
  let chosen = null;
  let timer = null;
  // Only what was asked for last is shown.
  let turns = 0;
  let looking = Promise.resolve();

  async function take(file) {
    chosen?.drop();
    chosen = new ChosenFile(file);
    tablePart.hidden = encodingPart.hidden = true;
    encoding.value = "";
    naming.reset();
    put(summary, el("p", { class: "summary" }, t("form.file.reading", { name: file.name })));
    changed();
    lookAgain();
  }

  function lookAgain() {
    looking = lookFromTheBeginning();
  }

  /** How the file is to be read. Without a model, `model` stands for one: it is asked for when it is sent. */
  function inputFor(model, { isTable }) {
    return {
      model,
      ...(isTable ? { template: template.value } : {}),
      ...(isTable && naming.value() ? { id_column: naming.value() } : {}),
      ...(encoding.value ? { encoding: encoding.value } : {}),
    };
  }

  async function lookFromTheBeginning() {
    const turn = (turns += 1);
    const file = chosen;
    clearTimeout(timer);
    try {
      if (file.id === null) await file.send();
      const first = await file.look(inputFor("model", { isTable: false }), { first: true });
      if (turn !== turns) return file === chosen ? null : file.drop();
      const isTable = first.quick.columns.length > 0;
      if (isTable) offerTemplate(first.quick.columns);
      naming.offer(first.quick.columns);
      await file.look(inputFor("model", { isTable }));
      if (turn !== turns) return; // something else was asked for meanwhile, and what it found may be shown already
      show();
    } catch (error) {
      if (turn !== turns) return;
      put(summary, wrong(t("form.file.unreadable", { name: file.name }), el("ul", {}, el("li", {}, refusalOf(error)))));
    }
    changed();
  }

  function offerTemplate(names) {
    const named = [...template.value.matchAll(/\{([^{}]*)\}/g)].map((part) => part[1].trim());
    if (named.length && named.every((name) => names.includes(name))) return;
    const topic = names.find((name) => !NO_TOPIC.test(name)) ?? names[0];
    template.value = names.includes("prompt") ? "{prompt}" : t("form.template.example", { topic: `{${topic}}` });
  }

  function show() {
    const { report } = chosen;
    encodingPart.hidden = false;
    tablePart.hidden = report.columns.length === 0;
    if (report.columns.length) {
      put(
        columns,
        ...report.columns.map((name) =>
          el("button", { type: "button", class: "chip", onclick: () => insert(`{${name}}`) }, name),
        ),
      );
      const head = el("tr", {}, ...report.columns.map((name) => el("th", { scope: "col" }, name)));
      const rows = report.rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell))));
      put(preview, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
      preview.hidden = false;
      showExample();
    }
    showSummary();
  }

  function insert(words) {
    template.setRangeText(words, template.selectionStart, template.selectionEnd, "end");
    template.focus();
    templateChanged();
  }

  function templateChanged() {
    changed();
    clearTimeout(timer);
    const turn = (turns += 1);
    timer = setTimeout(async () => {
      try {
        await chosen.look(inputFor("model", { isTable: true }), { first: chosen.isLong });
      } catch {
        return; // said when it is sent
      }
      if (turn !== turns) return;
      showExample();
      showSummary();
      changed();
    }, PAUSE_MS);
  }

  function showExample() {
    const { quick } = chosen.report;
    const [fault] = quick.mistakes;
    put(
      example,
      ...(quick.first_prompt !== null
        ? [el("b", {}, t("form.first")), quick.first_prompt]
        : [el("b", {}, t("form.not_yet")), fault ? refusalOf(fault) : t("form.no_rows")]),
    );
  }

  function showSummary() {
    const { count, mistakes, mistake_count: total } = chosen.report;
    const told = fileNotes(chosen.report);
    const list = told.length ? [el("ul", { class: "hint notes" }, ...told)] : [];
    if (!total) return put(summary, el("p", { class: "summary" }, t("form.file.count", { name: chosen.name, count })), ...list);
    return put(summary, wrong(t("form.file.faulty", { name: chosen.name }), faultList(mistakes)), ...list);
  }

  function faultList(mistakes) {
    return el(
      "ul",
      {},
      ...mistakes
        .slice(0, MOST_FAULTS)
        .map(placed)
        .map(([where, what]) => el("li", {}, where, refusalOf(what))),
    );
  }

  return {
    input,
    take,
    count: () => (chosen?.report && !chosen.report.mistake_count ? chosen.report.count : 0),
    /** What is to be sent: `{input_file_id, input}`, or `{faults, more, lacksModel}`. Rejects with `ApiError`. */
    async order(model) {
      const none = { faults: [{ line: null, message: t("form.file.none") }] };
      if (chosen === null) return none;
      await looking;
      clearTimeout(timer);
      turns += 1;
      if (chosen.id === null) await chosen.send();
      const read = { isTable: !tablePart.hidden };
      const how = inputFor(model || null, read);
      let report = await chosen.look(inputFor(model || "model", read));
      // How many there are stays known: with a model, they can be sent.
      if (!model && !report.mistake_count) report = await chosen.check(how);
      if (report.mistake_count) return faultsOf(report);
      return report.count ? { input_file_id: chosen.id, input: how } : none;
    },
    /** Forget the faults that are shown here: they are shown where it was tried to send them. */
    hideFaults: () => summary.querySelector(".wrong")?.remove(),
    title: (way) => (way === "file" && chosen ? chosen.name.replace(/\.[^.]+$/, "") : ""),
    node: el(
      "div",
      {},
      el(
        "div",
        { class: "field drop" },
        el("label", { for: "file" }, t("form.file")),
        input,
        el("p", { id: "file-hint", class: "hint" }, t("form.file.hint")),
        el("p", {}, sampleLink()),
      ),
      summary,
      encodingPart,
      tablePart,
      naming.node,
    ),
  };
}

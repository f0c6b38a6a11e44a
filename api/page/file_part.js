// The part of the form for a file: chosen or dropped; for a table with a template and what it makes.

import { ChosenFile } from "./chosen_file.js";
import { el, put, wrong } from "./dom.js";
import { plural } from "./format.js";
import { sampleLink } from "./sample.js";

const MOST_FAULTS = 10;
const PAUSE_MS = 250;
const ENDINGS = ".jsonl,.ndjson,.json,.csv,.tsv,.tab,.txt,text/csv,text/plain,application/jsonl";
const ENCODINGS = [
  ["", "Detect from the file"],
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
const DELIMITERS = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };
const NO_MODEL = 'no "model": name one in the line, or for all lines in the field below';
const lacksModel = ({ code, param }) => code === "missing_required_parameter" && param === "body.model";

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
  const encoding = el(
    "select",
    { id: "encoding", onchange: lookAgain },
    ...ENCODINGS.map(([value, word]) => el("option", { value }, word)),
  );
  const example = el("p", { class: "example", dir: "auto" });
  const columns = el("span", { class: "chips" });
  const preview = el("div", {
    class: "wide",
    tabindex: "0",
    role: "region",
    "aria-label": "The first rows of the file",
    hidden: true,
  });
  const summary = el("div", { id: "file-summary" });
  const encodingPart = el(
    "div",
    { class: "field apart", hidden: true },
    el("label", { for: "encoding" }, "Encoding"),
    encoding,
  );
  const tablePart = el(
    "div",
    { class: "field apart", hidden: true },
    el("label", { for: "template" }, "Prompt for each row"),
    template,
    el("p", { id: "template-hint", class: "hint" }, "Write columns in braces. Insert one: ", columns),
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
    put(summary, el("p", { class: "summary" }, `${file.name} is being read.`));
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
      await file.look(inputFor("model", { isTable }));
      if (turn === turns) show();
    } catch (error) {
      if (turn !== turns) return;
      put(summary, wrong(`${file.name} cannot be read.`, el("ul", {}, el("li", {}, error.message))));
    }
    changed();
  }

  function offerTemplate(names) {
    const named = [...template.value.matchAll(/\{([^{}]*)\}/g)].map((part) => part[1].trim());
    if (named.length && named.every((name) => names.includes(name))) return;
    const topic = names.find((name) => !["custom_id", "model"].includes(name)) ?? names[0];
    template.value = names.includes("prompt") ? "{prompt}" : `Write an article about {${topic}}.`;
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
    const fault = quick.mistakes.find((one) => !lacksModel(one));
    put(
      example,
      ...(quick.first_prompt !== null
        ? [el("b", {}, "The first: "), quick.first_prompt]
        : [el("b", {}, "Not yet: "), fault?.message ?? "there are no rows."]),
    );
  }

  function showSummary() {
    const { count, mistakes, mistake_count: total, warnings, encoding: found, is_guess: isGuess, delimiter } =
      chosen.report;
    const told = warnings
      .filter(({ code }) => code !== "encoding")
      .map(({ message, line, count: times }) =>
        el("li", {}, `${message}${line === null ? "" : ` (line ${line}${times > 1 ? ` and ${times - 1} more` : ""})`}`),
      );
    const form = [
      found === "UTF-8" ? null : `${found}${isGuess ? ", guessed from the text: look whether it reads well" : ""}`,
      delimiter === null || delimiter === "," ? null : `with ${DELIMITERS[delimiter] ?? delimiter} between its cells`,
    ].filter(Boolean);
    if (form.length) told.unshift(el("li", {}, `Read as ${form.join(", ")}.`));
    const list = told.length ? [el("ul", { class: "hint notes" }, ...told)] : [];
    if (!total) return put(summary, el("p", { class: "summary" }, `${chosen.name}: ${plural(count, "prompt")}.`), ...list);
    return put(summary, wrong(`${chosen.name} cannot be sent as it is.`, faultList(mistakes)), ...list);
  }

  function faultList(mistakes) {
    return el(
      "ul",
      {},
      ...mistakes
        .slice(0, MOST_FAULTS)
        .map(({ line, message }) => el("li", {}, line === null ? null : el("b", {}, `Line ${line}: `), message)),
    );
  }

  return {
    input,
    take,
    count: () => (chosen?.report && !chosen.report.mistake_count ? chosen.report.count : 0),
    /** What is to be sent: `{input_file_id, input}`, or `{faults, more, lacksModel}`. Rejects with `ApiError`. */
    async order(model) {
      const none = { faults: [{ line: null, message: "Choose a file with at least one prompt in it." }] };
      if (chosen === null) return none;
      await looking;
      clearTimeout(timer);
      turns += 1;
      if (chosen.id === null) await chosen.send();
      const how = inputFor(model || null, { isTable: !tablePart.hidden });
      const report = await chosen.look(how);
      if (report.mistake_count)
        return {
          faults: report.mistakes
            .slice(0, MOST_FAULTS)
            .map((one) => (lacksModel(one) ? { ...one, message: NO_MODEL } : one)),
          more: Math.max(0, report.mistake_count - MOST_FAULTS),
          lacksModel: report.mistakes.every(lacksModel),
        };
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
        el("label", { for: "file" }, "File"),
        input,
        el(
          "p",
          { id: "file-hint", class: "hint" },
          'Choose a file, or drop it anywhere here: a table (.csv, .tsv), prompts (.txt, one a line), or JSONL (OpenAI\'s batch lines, or {"prompt": …} on each line).',
        ),
        el("p", {}, sampleLink()),
      ),
      summary,
      encodingPart,
      tablePart,
    ),
  };
}

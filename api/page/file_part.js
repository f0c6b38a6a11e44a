// The part of the form for a file: chosen or dropped, JSONL or CSV; for CSV with a template and what it makes.

import { el, put, wrong } from "./dom.js";
import { plural } from "./format.js";
import { readJsonl, readRows, readTable } from "./input.js";
import { faultOf } from "./template.js";

const SHOWN_ROWS = 3;

/** The node, and what it reads: `read()` as items and faults, `count()`, `title()`, `take(file)`. */
export function filePart(changed) {
  const input = el("input", {
    type: "file",
    id: "file",
    accept: ".jsonl,.ndjson,.csv,text/csv,application/jsonl",
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
  const csvPart = el(
    "div",
    { class: "field", hidden: true },
    el("label", { for: "template" }, "Prompt for each row"),
    template,
    el("p", { id: "template-hint", class: "hint" }, "Write columns in braces. Insert one: ", columns),
    example,
    preview,
  );
  let name = "";
  let table = null;
  let lines = null;
  let made = null;
  let turns = 0;

  async function take(file) {
    const turn = (turns += 1);
    let text = null;
    let fault = `${file.name} is not a text in UTF-8.`;
    try {
      const bytes = await file.arrayBuffer();
      text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (error) {
      if (error instanceof DOMException) fault = `${file.name} cannot be read. Choose it again.`;
    }
    if (turn !== turns) return; // another one was chosen while this one was read
    name = file.name;
    table = lines = made = null;
    csvPart.hidden = true;
    if (text === null) lines = { items: [], faults: [{ line: null, message: fault }] };
    if (text !== null && /\.csv$/i.test(name)) {
      table = readTable(text);
      showTable();
    } else if (text !== null && /\.(jsonl|ndjson)$/i.test(name)) {
      lines = readJsonl(text);
    } else if (text !== null) {
      lines = { items: [], faults: [{ line: null, message: `${name}: the name must end in .jsonl or .csv.` }] };
    }
    changed();
    showSummary();
  }

  function showTable() {
    if (table.faults.length) return;
    csvPart.hidden = false;
    const topic = table.columns.find((column) => !["custom_id", "model"].includes(column)) ?? table.columns[0];
    if (faultOf(template.value, table.columns)) {
      template.value = table.columns.includes("prompt") ? "{prompt}" : `Write an article about {${topic}}.`;
    }
    put(
      columns,
      ...table.columns.map((column) =>
        el("button", { type: "button", class: "chip", onclick: () => insert(`{${column}}`) }, column),
      ),
    );
    put(
      preview,
      el(
        "table",
        {},
        el("thead", {}, el("tr", {}, ...table.columns.map((column) => el("th", { scope: "col" }, column)))),
        el(
          "tbody",
          {},
          ...table.rows
            .slice(0, SHOWN_ROWS)
            .map(({ cells }) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell.slice(0, 120))))),
        ),
      ),
    );
    preview.hidden = false;
    showExample();
  }

  function insert(words) {
    template.setRangeText(words, template.selectionStart, template.selectionEnd, "end");
    template.focus();
    templateChanged();
  }

  function templateChanged() {
    made = null;
    showExample();
    changed();
  }

  function showExample() {
    const { items, faults } = readRows({ ...table, rows: table.rows.slice(0, 1) }, template.value);
    put(
      example,
      ...(items.length
        ? [el("b", {}, "The first: "), items[0].item.body.messages[0].content]
        : [el("b", {}, "Not yet: "), faults[0]?.message ?? "there are no rows."]),
    );
  }

  function read() {
    // Asked for at every key that is pressed, and a file may have many lines.
    if (table) return (made ??= readRows(table, template.value));
    return lines ?? { items: [], faults: [] };
  }

  function showSummary() {
    const { items, faults } = read();
    if (!faults.length)
      return put(summary, el("p", { class: "summary" }, `${name}: ${plural(items.length, "prompt")}.`));
    return put(
      summary,
      wrong(
        `${name} cannot be sent as it is.`,
        el(
          "ul",
          {},
          ...faults
            .slice(0, 10)
            .map(({ line, message }) => el("li", {}, line === null ? null : el("b", {}, `Line ${line}: `), message)),
        ),
      ),
    );
  }

  return {
    input,
    take,
    read,
    count() {
      const { items, faults } = read();
      return faults.length ? 0 : items.length;
    },
    /** Forget the faults that are shown here: they are shown where it was tried to send them. */
    hideFaults: () => summary.querySelector(".wrong")?.remove(),
    title: (way) => (way === "file" ? name.replace(/\.[^.]+$/, "") : ""),
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
          'Choose a .jsonl or .csv file, or drop it anywhere here. JSONL: OpenAI\'s batch lines, or {"prompt": …} on each line.',
        ),
      ),
      summary,
      csvPart,
    ),
  };
}

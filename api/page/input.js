// What is to be submitted, read from a list or a file and checked line by line. When a line is wrong, nothing is sent.

import { CsvError, readCsv } from "./csv.js";
import { faultOf, fill } from "./template.js";

const ENDPOINT = "/v1/chat/completions";
const MOST_FAULTS = 10;

const ask = (prompt) => [{ role: "user", content: prompt }];
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

class LineError extends Error {}

/** The prompts of a list, one a line, as items of a batch with their lines. */
export function readList(text) {
  const items = [];
  text.split("\n").forEach((line, place) => {
    if (line.trim()) items.push({ line: place + 1, item: { body: { messages: ask(line.trim()) } } });
  });
  return { items, faults: [] };
}

/** The lines of a JSONL text as items of a batch. */
export function readJsonl(text) {
  const items = [];
  const faults = [];
  // Only \n ends a line: U+2028 may stand inside a string.
  text.split("\n").forEach((line, place) => {
    if (!line.trim()) return;
    try {
      items.push({ line: place + 1, item: readLine(line) });
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      faults.push({ line: place + 1, message: error.message });
    }
  });
  return { items, faults };
}

function readLine(text) {
  let line;
  try {
    line = JSON.parse(text);
  } catch (error) {
    throw new LineError(`not JSON: ${error.message}`);
  }
  if (!isObject(line)) throw new LineError("not a JSON object");
  const { custom_id: customId, method = "POST", url = ENDPOINT, ...inside } = line;
  if (method !== "POST") throw new LineError('"method" must be "POST"');
  if (url !== ENDPOINT) throw new LineError(`"url" must be "${ENDPOINT}"`);
  const around = customId === undefined || customId === null ? {} : { custom_id: customId };
  const ways = ["body", "messages", "prompt"].filter((name) => name in line);
  if (ways.length !== 1) {
    const found = ways.length ? `has ${ways.map((way) => `"${way}"`).join(" and ")}` : "has none of them";
    throw new LineError(`a line needs one of "body", "messages" and "prompt", and this one ${found}`);
  }
  if (ways[0] === "messages") return { ...around, body: inside };
  if (ways[0] === "prompt") {
    const { prompt, ...rest } = inside;
    if (typeof prompt !== "string" || !prompt.trim()) throw new LineError('"prompt" must be a text that is not empty');
    return { ...around, body: { ...rest, messages: ask(prompt) } };
  }
  const { body, ...rest } = inside;
  if (!isObject(body)) throw new LineError('"body" must be an object');
  const stray = Object.keys(rest)[0];
  if (stray !== undefined) throw new LineError(`"${stray}" must stand inside "body"`);
  return { ...around, body };
}

/** A CSV text as `{columns, rows, faults}`; the first row names the columns. */
export function readTable(text) {
  try {
    const [head, ...rows] = readCsv(text);
    const columns = head?.cells ?? [];
    const faults = [];
    if (!columns.length) faults.push({ line: 1, message: "there is no row with the names of the columns" });
    if (new Set(columns).size !== columns.length)
      faults.push({ line: head.line, message: "two columns have the same name" });
    return { columns, rows, faults };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return { columns: [], rows: [], faults: [{ line: error.line, message: error.message }] };
  }
}

/** The rows of a table, each put into the template, as items of a batch. */
export function readRows({ columns, rows, faults }, template) {
  if (faults.length) return { items: [], faults };
  const wrong = faultOf(template, columns);
  if (wrong) return { items: [], faults: [{ line: null, message: wrong }] };
  const items = [];
  const found = [];
  for (const { line, cells } of rows) {
    if (cells.length !== columns.length) {
      found.push({ line, message: `${cells.length} cells, but ${columns.length} columns` });
      continue;
    }
    const row = new Map(columns.map((name, place) => [name, cells[place]]));
    const prompt = fill(template, row);
    if (!prompt.trim()) {
      found.push({ line, message: "the prompt is empty" });
      continue;
    }
    const body = { messages: ask(prompt) };
    if (row.get("model")) body.model = row.get("model");
    items.push({ line, item: row.get("custom_id") ? { custom_id: row.get("custom_id"), body } : { body } });
  }
  return { items, faults: found };
}

/** The items with the model where they name none, each checked. Gives `{requests, lines, faults, more}`. */
export function check({ items, faults }, model) {
  const found = [...faults];
  const requests = [];
  const lines = [];
  const lineOf = new Map();
  for (const { line, item } of items) {
    const fault = faultIn(item, model, line, lineOf);
    if (fault) found.push({ line, message: fault });
    const body = item.body.model === undefined || item.body.model === null ? { ...item.body, model } : item.body;
    requests.push({ ...item, body });
    lines.push(line);
  }
  found.sort((one, other) => (one.line ?? 0) - (other.line ?? 0));
  return { requests, lines, faults: found.slice(0, MOST_FAULTS), more: Math.max(0, found.length - MOST_FAULTS) };
}

function faultIn(item, model, line, lineOf) {
  const { custom_id: customId, body } = item;
  if (body.model === undefined || body.model === null) {
    if (!model) return 'no "model": name one in the line, or for all lines in the field above';
  } else if (typeof body.model !== "string" || !body.model) {
    return '"model" must be a text that is not empty';
  }
  if (!Array.isArray(body.messages) || !body.messages.length) return '"messages" must be a list that is not empty';
  if (!body.messages.every((message) => isObject(message) && typeof message.role === "string")) {
    return 'each of "messages" must be an object with a "role"';
  }
  if (customId === undefined) return null;
  if (typeof customId !== "string" || !customId) return '"custom_id" must be a text that is not empty';
  if (lineOf.has(customId))
    return `"custom_id" ${JSON.stringify(customId)} stands in line ${lineOf.get(customId)} already`;
  lineOf.set(customId, line);
  return null;
}

/** A refusal of the API as a fault of the line that it is about; `line` is null when it is about none. */
export function inTermsOfLines(error, lines) {
  const found = /^requests\[(\d+)\]/.exec(error.param ?? "");
  if (!found || !(Number(found[1]) in lines)) return { line: null, message: error.message };
  return { line: lines[Number(found[1])], message: error.message.replace(found[0], "").replace(/^\./, "") };
}

// CSV as RFC 4180 has it, strictly, with the line on which each row begins.

/** What cannot be read, with its line. */
export class CsvError extends Error {
  constructor(line, message) {
    super(message);
    this.line = line;
  }
}

/** The rows of a CSV text as `{line, cells}`; empty lines are left out. Throws `CsvError`. */
export function readCsv(text) {
  const rows = [];
  let cells = [];
  let line = 1;
  let begun = 1;
  let place = 0;
  const endRow = () => {
    if (cells.length > 1 || cells[0] !== "") rows.push({ line: begun, cells });
    cells = [];
  };
  while (place < text.length) {
    let cell = "";
    if (text[place] === '"') {
      const opened = line;
      place += 1;
      for (;;) {
        const end = text.indexOf('"', place);
        if (end < 0) throw new CsvError(opened, "a quote is opened here and never closed");
        const piece = text.slice(place, end);
        line += count(piece, "\n");
        cell += piece;
        place = end + 1;
        if (text[place] !== '"') break;
        cell += '"';
        place += 1;
      }
      if (place < text.length && !",\r\n".includes(text[place])) {
        throw new CsvError(line, `a comma must follow the closing quote, not ${text[place]}`);
      }
    } else {
      const from = place;
      while (place < text.length && !",\r\n".includes(text[place])) place += 1;
      cell = text.slice(from, place);
    }
    cells.push(cell);
    if (text[place] === ",") {
      place += 1;
      // A comma at the very end begins one more cell, an empty one.
      if (place === text.length) cells.push("");
      continue;
    }
    if (place >= text.length) break;
    place += text.startsWith("\r\n", place) ? 2 : 1;
    line += 1;
    endRow();
    begun = line;
  }
  if (cells.length) endRow();
  return rows;
}

function count(text, sought) {
  let found = 0;
  for (let place = text.indexOf(sought); place >= 0; place = text.indexOf(sought, place + 1)) found += 1;
  return found;
}

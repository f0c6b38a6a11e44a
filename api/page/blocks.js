// Markdown, first half: a text into blocks. From left to right, so that a block that has ended never changes by what
// comes after it, and a growing text need not be read again from its beginning.

const DEEPEST = 12;
const FENCE = /^ {0,3}(`{3,}|~{3,})([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const RULE = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:([ \t]+)(.*)|[ \t]*)$/;
const TABLE_RULE = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const QUOTE = /^ {0,3}>/;

/** The blocks of a text: `{kind, start, ...}`, where `start` is the place of the first character. */
export function readBlocks(text) {
  const lines = [];
  for (let start = 0; start <= text.length;) {
    const end = text.indexOf("\n", start);
    const stop = end < 0 ? text.length : end;
    lines.push({ text: text.slice(start, stop).replace(/\r$/, ""), start });
    start = stop + 1;
  }
  return blocksOf(lines, 0);
}

function blocksOf(lines, depth) {
  const blocks = [];
  let place = 0;
  while (place < lines.length) {
    const line = lines[place];
    if (!line.text.trim()) {
      place += 1;
      continue;
    }
    const [block, next] = blockAt(lines, place, depth);
    block.start = line.start;
    blocks.push(block);
    place = next;
  }
  return blocks;
}

function blockAt(lines, place, depth) {
  const { text } = lines[place];
  const fence = FENCE.exec(text);
  if (fence) return codeAt(lines, place, fence);
  const heading = HEADING.exec(text);
  if (heading) {
    const words = (heading[2] ?? "").replace(/(?:^|[ \t])#+[ \t]*$/, "").trim();
    return [{ kind: "heading", level: heading[1].length, text: words }, place + 1];
  }
  if (RULE.test(text)) return [{ kind: "rule" }, place + 1];
  if (depth < DEEPEST && QUOTE.test(text)) return quoteAt(lines, place, depth);
  if (depth < DEEPEST && ITEM.test(text)) return listAt(lines, place, depth);
  if (startsTable(lines, place)) return tableAt(lines, place);
  return paragraphAt(lines, place);
}

function codeAt(lines, place, [, mark, info]) {
  const closing = new RegExp(`^ {0,3}\\${mark[0]}{${mark.length},}[ \\t]*$`);
  let end = place + 1;
  while (end < lines.length && !closing.test(lines[end].text)) end += 1;
  const code = lines
    .slice(place + 1, end)
    .map((line) => line.text)
    .join("\n");
  return [{ kind: "code", text: code, language: info.trim().split(/\s/)[0] }, Math.min(end + 1, lines.length)];
}

function quoteAt(lines, place, depth) {
  const inner = [];
  let end = place;
  for (; end < lines.length; end += 1) {
    const { text, start } = lines[end];
    const goesOn = QUOTE.test(text) || (text.trim() && inner.at(-1)?.text.trim() && !startsBlock(text));
    if (!goesOn) break;
    inner.push({ text: text.replace(/^ {0,3}> ?/, ""), start });
  }
  return [{ kind: "quote", blocks: blocksOf(inner, depth + 1) }, end];
}

function listAt(lines, place, depth) {
  const first = ITEM.exec(lines[place].text);
  const kindOf = (mark) => (/\d/.test(mark) ? mark.at(-1) : mark);
  const items = [];
  let loose = false;
  let end = place;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end].text);
    if (!item || kindOf(item[2]) !== kindOf(first[2]) || RULE.test(lines[end].text)) break;
    // Four spaces and more after the mark belong to the content.
    const gap = item[3] && item[3].length <= 4 ? item[3].length : 1;
    const indent = item[1].length + item[2].length + gap;
    const inner = [{ text: item[4] ?? "", start: lines[end].start }];
    let blank = false;
    for (end += 1; end < lines.length; end += 1) {
      const { text, start } = lines[end];
      if (!text.trim()) {
        blank = true;
        inner.push({ text: "", start });
        continue;
      }
      const indented = text.length - text.trimStart().length >= Math.min(indent, 2 + item[1].length);
      if (!indented && (blank || startsBlock(text) || ITEM.test(text))) break;
      loose ||= blank && indented && !ITEM.test(text.trimStart());
      blank = false;
      inner.push({ text: indented ? unindent(text, indent) : text, start });
    }
    items.push(blocksOf(inner, depth + 1));
    const next = ITEM.exec(lines[end]?.text ?? "");
    if (blank && next && kindOf(next[2]) === kindOf(first[2])) loose = true;
  }
  return [{ kind: "list", ordered: /\d/.test(first[2]), number: parseInt(first[2], 10), loose, items }, end];
}

function unindent(text, most) {
  const spaces = /^[ \t]*/.exec(text)[0].replaceAll("\t", "    ").length;
  return " ".repeat(Math.max(0, spaces - most)) + text.trimStart();
}

function startsTable(lines, place) {
  const [head, rule] = [lines[place].text, lines[place + 1]?.text ?? ""];
  return head.includes("|") && TABLE_RULE.test(rule) && cellsOf(head).length === cellsOf(rule).length;
}

function tableAt(lines, place) {
  const head = cellsOf(lines[place].text);
  const rules = cellsOf(lines[place + 1].text);
  const aligns = rules.map((rule) => {
    const [left, right] = [rule.startsWith(":"), rule.endsWith(":")];
    return right ? (left ? "center" : "right") : null;
  });
  const rows = [];
  let end = place + 2;
  for (; end < lines.length && lines[end].text.trim() && lines[end].text.includes("|"); end += 1) {
    rows.push(head.map((_, column) => cellsOf(lines[end].text)[column] ?? ""));
  }
  return [{ kind: "table", head, aligns, rows }, end];
}

function cellsOf(text) {
  const cells = [""];
  const inner = text.trim().replace(/^\|/, "");
  for (let place = 0; place < inner.length; place += 1) {
    if (inner[place] === "\\" && inner[place + 1] === "|") {
      cells[cells.length - 1] += "|";
      place += 1;
    } else if (inner[place] === "|") {
      cells.push("");
    } else {
      cells[cells.length - 1] += inner[place];
    }
  }
  if (cells.length > 1 && !cells.at(-1).trim()) cells.pop();
  return cells.map((cell) => cell.trim());
}

function paragraphAt(lines, place) {
  const words = [lines[place].text];
  let end = place + 1;
  for (; end < lines.length; end += 1) {
    const { text } = lines[end];
    const underline = /^ {0,3}(=+|-+)[ \t]*$/.exec(text);
    if (underline) {
      return [{ kind: "heading", level: underline[1][0] === "=" ? 1 : 2, text: words.join(" ").trim() }, end + 1];
    }
    if (!text.trim() || startsBlock(text) || startsTable(lines, end)) break;
    words.push(text);
  }
  return [
    {
      kind: "paragraph",
      text: words
        .map((line) => line.trimStart())
        .join("\n")
        .trimEnd(),
    },
    end,
  ];
}

function startsBlock(text) {
  if (FENCE.test(text) || HEADING.test(text) || RULE.test(text) || QUOTE.test(text)) return true;
  const item = ITEM.exec(text);
  // A number at the beginning of a line is a list only when it is 1: years and sums happen in prose.
  return Boolean(item && item[4] && (!/\d/.test(item[2]) || parseInt(item[2], 10) === 1));
}

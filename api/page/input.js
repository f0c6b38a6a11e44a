// What is to be submitted, where it is not a file: a list, read here. What a file means, the API alone knows.

const ask = (prompt) => [{ role: "user", content: prompt }];

/** The prompts of a list, one a line, as bodies with their lines. */
export function readList(text) {
  const items = [];
  text.split("\n").forEach((line, place) => {
    if (line.trim()) items.push({ line: place + 1, messages: ask(line.trim()) });
  });
  return items;
}

/** A refusal of the API as a fault of the line that it is about; `line` is null when it is about none. */
export function inTermsOfLines(error, lines) {
  const found = /^requests\[(\d+)\]/.exec(error.param ?? "");
  if (!found || !(Number(found[1]) in lines)) return { line: null, code: error.code, message: error.message };
  return { line: lines[Number(found[1])], code: error.code, message: error.message.replace(found[0], "").replace(/^\./, "") };
}

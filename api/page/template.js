// The template that makes a prompt of each row of a CSV file: `Write about {topic}`. Double braces are braces.

const PART = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g;

/** What is wrong with a template for these columns, or null. */
export function faultOf(template, columns) {
  const there = `The columns are ${columns.join(", ")}.`;
  let named = 0;
  for (const part of template.matchAll(PART)) {
    if (part[0] === "{" || part[0] === "}") {
      return `There is a single ${part[0]} at character ${part.index + 1}; double it to write it.`;
    }
    if (part[1] === undefined) continue;
    if (!columns.includes(part[1].trim())) return `${part[0]} is no column of this file. ${there}`;
    named += 1;
  }
  return named ? null : `The template names no column, so every row would ask for the same. ${there}`;
}

/** The prompt of one row; `cells` is a Map by column. */
export function fill(template, cells) {
  return template.replace(PART, (part, name) => (name === undefined ? part[0] : cells.get(name.trim())));
}

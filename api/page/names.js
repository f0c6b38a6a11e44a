// What an article is called: by its custom id, else by its first heading, else by the first words of its prompt. And a
// batch: by its title.

import { plain } from "./format.js";
import { t } from "./words.js";

const LOOKED_AT = 2000;
const MOST = 70;

// No two neighbours in it match the same: it takes no longer for a line of spaces than for any other.
const HEADING = /^[ ]{0,3}#{1,6}[ \t]+(\S[^\n]*)\n/m;

/** The first heading of a text that begins with one, without its marks. */
export function headingOf(text) {
  const found = HEADING.exec((text ?? "").slice(0, LOOKED_AT));
  return found ? plain(withoutMarks(found[1])).trim() : "";
}

/** A heading without the marks that may close it. */
function withoutMarks(heading) {
  const words = heading.trimEnd();
  let end = words.length;
  while (words[end - 1] === "#") end -= 1;
  return words.slice(0, end);
}

/** The text below the name of its job: without the heading that it begins with, where that is the name. */
export function textBelowName(job, text) {
  const found = job.custom_id ? null : HEADING.exec(text.slice(0, LOOKED_AT));
  return found && !text.slice(0, found.index).trim() ? text.slice(found.index + found[0].length).trimStart() : text;
}

/** The first words of a prompt, cut between words. */
export function firstWords(prompt) {
  const words = (prompt ?? "").replace(/\s+/g, " ").trim();
  if (words.length <= MOST) return words;
  const cut = words.slice(0, MOST);
  const space = cut.lastIndexOf(" ");
  // Chinese has no spaces; half a pair of surrogates is no letter.
  return `${(space > MOST / 2 ? cut.slice(0, space) : cut).replace(/[\ud800-\udbff]$/, "")} …`;
}

/** The content of a message as text. */
export function contentText(content) {
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map((part) => part?.text ?? `(${part?.type ?? t("content.unknown")})`).join("\n");
  return content === null || content === undefined ? "" : JSON.stringify(content);
}

/** The prompt of a request: what its last message of the user says. */
export function promptOf(request) {
  const asked = (request?.messages ?? []).filter(({ role }) => role === "user").at(-1);
  return asked ? contentText(asked.content) : "";
}

/** A job's name. `text` and `prompt` are what is known of them. */
export function jobName(job, { text = "", prompt = "" } = {}) {
  if (job.custom_id) return job.custom_id;
  const words = headingOf(text) || firstWords(prompt || promptOf(job.request));
  if (words) return words;
  return job.index === undefined ? t("article") : t("article.place", { place: job.index + 1 });
}

/** A batch's name: its title, where it was given one. */
export const batchName = (batch) => batch.metadata?.title || t("batch.of", { count: batch.request_counts.total });

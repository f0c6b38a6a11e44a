// Errors as sentences: what happened, by its code, and the upstream's reason where it gave one.

import { whyRejected } from "./told.js";
import { has, t } from "./words.js";

// Here the upstream's own words say more than the code.
const QUOTED = [
  "upstream_rejected",
  "upstream_rejected_in_stream",
  "upstream_server_error",
  "upstream_error_in_stream",
  "upstream_unauthorized",
  "upstream_not_a_stream",
  "upstream_quota_spent",
  "schema_mismatch",
];
const LEAST_ALIKE = 3;

/** What a person can read of an answer that is quoted as JSON. */
export function inWords(message) {
  try {
    const answer = JSON.parse(message.slice(message.indexOf("{")));
    return String(answer.error.message || message);
  } catch {
    return message;
  }
}

/** The error of a job or an attempt as one sentence. */
export function sentenceOf({ code, message }) {
  const rejected = code === "not_accepted" ? whyRejected(message) : null;
  if (rejected) return rejected;
  const what = has(`error.${code}`) ? t(`error.${code}`) : null;
  const reason = message ? inWords(message) : "";
  if (!what) return ended(reason || code);
  return ended(reason && QUOTED.includes(code) ? t("error.said", { what, reason }) : what);
}

const ended = (sentence) => (/[.!?。！？]$/.test(sentence) ? sentence : t("sentence", { sentence }));

/** What `sentenceOf` leaves out: the code and the message as they are stored. */
export const rawOf = ({ code, message }) => (message ? `${code}\n${message}` : code);

/** The failures of three and more jobs that say the same, most first: `[{why, error, jobs}]`. */
export function groupsOf(jobs) {
  const groups = new Map();
  const sentences = new Map(); // of a thousand failures most say the same, and to read one takes a parser
  const sentenceOnce = (error) => {
    const key = `${error.code} ${error.message}`;
    if (!sentences.has(key)) sentences.set(key, sentenceOf(error));
    return sentences.get(key);
  };
  for (const job of jobs) {
    if (!job?.error || job.status !== "failed") continue;
    const why = sentenceOnce(job.error);
    if (!groups.has(why)) groups.set(why, { why, error: job.error, jobs: [] });
    groups.get(why).jobs.push(job);
  }
  const alike = [...groups.values()].filter((group) => group.jobs.length >= LEAST_ALIKE);
  return alike.sort((one, other) => other.jobs.length - one.jobs.length);
}

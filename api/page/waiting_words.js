// Why something waits, and what to do about it: a sentence for each reason that the API gives, and no others.

import { inWords } from "./faults.js";
import { time, clock } from "./format.js";

const QUEUED = "Waiting for its turn.";

// What is said of a queued article, by its `limited_by`.
const WAITS = {
  max_concurrency: "Waits until another article of its batch ends: the batch allows no more at once.",
  no_free_stream: "Waits for a free stream: all workers are busy. Start another worker to write more at once.",
  no_upstream: "Cannot start: no upstream takes its model. Add the model to the upstreams file.",
  max_streams: "Waits for a free stream of its upstream. For more at once, raise its max_streams in the upstreams file.",
  window: "Waits for a free stream of its upstream, which takes no more at once for now. It starts by itself.",
  requests: "Waits for its upstream's limit of requests per minute. It starts by itself.",
  tokens: "Waits for its upstream's limit of tokens per minute. It starts by itself.",
  retry_after: "Waits because its upstream refused a request as one too many. It starts by itself.",
};

// What is said of a hold, by its `reason`: what is so, what a person does about it, and the few words on a card.
const HOLDS = {
  paused: { is: (what) => `${what} is paused`, todo: "", card: "Paused." },
  credit: { is: (what) => `${what} is out of credit`, todo: "Pay, then press Resume.", card: "Waits for credit." },
  key: {
    is: (what) => `${what} refuses its API key`,
    todo: "Check its key, then press Resume.",
    card: "Waits for a key that is accepted.",
  },
  limit: {
    is: (what) => `${what} has refused every request for minutes`,
    todo: "Check its plan, its quota and its limits per day, then press Resume.",
    card: "Waits until its upstream takes requests again.",
  },
  away: {
    is: (what) => `${what} fails or cannot be reached`,
    todo: "Check that its server runs, then press Resume.",
    card: "Waits until its upstream works again.",
  },
};

const WHAT = {
  batch: () => "The batch",
  project: (name) => `The project “${name}”`,
  model: (name) => `The model “${name}”`,
  upstream: (name) => `The upstream “${name}”`,
};

/** The first sentence of a hold: what is held, and why. */
export const holdTitle = (hold) => `${ofReason(hold).is(WHAT[hold.kind](hold.target))}, so no new article starts.`;

/** What to do about a hold, and what happens by itself; strings and elements. */
export function holdAdvice(hold) {
  const parts = ["It began ", time(hold.since), ". "];
  if (hold.reason === "paused") parts.push(hold.may_resume ? "Press Resume to go on." : "An operator can resume it.");
  else if (!hold.may_resume) parts.push("Ask an operator to look into it.");
  else if (hold.reason === "away" && hold.url) parts.push(`Check that the server at ${hold.url} runs, then press Resume.`);
  else parts.push(ofReason(hold).todo);
  if (hold.probe_at !== null) parts.push(" Longhand also tries it by itself, next ", time(hold.probe_at), ".");
  return parts;
}

/** What was said when it was held: by the upstream, or by who paused it; empty when that is nothing new. */
export function holdMessage(hold) {
  if (hold.held_by !== "person") return hold.message ? `It said: “${inWords(hold.message)}”` : "";
  return hold.message === `the ${hold.kind} was paused` ? "" : hold.message;
}

/** Why a queued article waits. `waits` is what the API says of it, or null while that is not known. */
export function whyItWaits(job, waits) {
  if (waits?.hold) return ofReason(waits.hold).card;
  if (waits?.limited_by === "retry" || (!waits && job.attempt)) {
    const when = waits?.limited_until ? ` at ${clock(waits.limited_until)}` : " by itself";
    return `The last attempt failed. Attempt ${job.attempt + 1} starts${when}.`;
  }
  const words = WAITS[waits?.limited_by] ?? waits?.limited_by_message ?? QUEUED;
  return waits?.limited_until ? `${words} The next one is sent at ${clock(waits.limited_until)}.` : words;
}

const ofReason = (hold) => HOLDS[hold.reason] ?? { is: (what) => `${what} is held`, todo: "Press Resume.", card: "Held." };

// One job: its whole text as Markdown, growing while it is written, and what it took.

import { deleteButton } from "./delete_button.js";
import { act, ask, el, put, say, wrong } from "./dom.js";
import { downloadLink } from "./download.js";
import { showDetails } from "./job_details.js";
import { HoldBanner } from "./hold_banner.js";
import { JobText } from "./job_text.js";
import { AboveText, noteOf } from "./job_words.js";
import { JobPlace } from "./job_place.js";
import { jobName } from "./names.js";
import { LiveLine } from "./live_line.js";
import { makeMark, setMark } from "./mark.js";
import { call, onReturn } from "./net.js";
import { Reading } from "./reading.js";
import { faultsIn } from "./refusals.js";
import { restoreScroll } from "./router.js";
import { badge, isFinal, jobStatusWord, setJobBadge, shownStatus } from "./status.js";
import { Stream } from "./stream.js";
import { Thoughts } from "./thoughts.js";
import { showCalls } from "./tool_calls.js";
import { unread } from "./unread.js";
import { t } from "./words.js";

/** So often a queued article is read again: what it waits for changes without an event. */
const WAITS_MS = 4000;
const RETRYABLE = ["failed", "expired", "cancelled"];

export function jobView(id) {
  const path = `/v1/jobs/${id}`;
  const text = new JobText({ showsThought: true });
  const reading = new Reading(text);
  const thoughts = new Thoughts(text);
  const live = new LiveLine(text);
  const heading = el("h1", { dir: "auto" }, t("article"));
  const status = badge("queued");
  const mark = makeMark();
  const fault = el("div", {});
  const showFault = faultsIn(fault);
  const note = el("p", { class: "note" }, t("job.reading"));
  const above = new AboveText(text);
  const calls = el("section", { class: "calls", hidden: true });
  const details = el("aside", { class: "details", "aria-label": t("job.about") });
  const cancel = el("button", { type: "button", class: "grave-quiet", hidden: true, onclick: cancelJob }, t("cancel"));
  const retry = el("button", { type: "button", hidden: true, onclick: retryJob }, t("job.retry"));
  const save = downloadLink(`${path}/text?partial=true`, `${id}.md`, t("download.as", { word: t("download.md") }), t("download"), showFault);
  const remove = deleteButton({
    path,
    kind: "job",
    whereTo: () => (job.batch_id ? `#/batches/${job.batch_id}` : "#/"),
    onFault: showFault,
  });
  const actions = el("div", { class: "actions" });
  status.hidden = actions.hidden = true; // nothing is known of it yet
  const banner = new HoldBanner(readJob);
  const closed = new AbortController();
  const place = new JobPlace(closed.signal);
  let job = null;
  let stream = null;
  /** The attempt whose end the stream has told, after which nothing comes from it; null as long as it tells. */
  let ended = null;
  let turns = 0;
  /** An event could not be read: it may have been the last. */
  let unheard = false;
  let restored = false;

  function showJob(next) {
    const before = job?.status;
    job = { ...job, ...next };
    showName();
    setJobBadge(status, job);
    status.hidden = actions.hidden = details.hidden = false;
    banner.show(job.status === "queued" ? job.hold : null);
    retry.hidden = !job.incomplete && !RETRYABLE.includes(job.status);
    for (const one of [save, ...reading.buttons]) one.hidden = isFinal(job.status) && !job.bytes;
    cancel.hidden = isFinal(job.status) || job.cancel_requested_at !== null;
    remove.hidden = !isFinal(job.status);
    note.textContent = noteOf(job);
    above.show(job);
    reading.setStatus(job.status, isFinal(job.status));
    thoughts.setJob(job);
    live.setJob(job);
    place.show(job);
    showCalls(calls, job);
    showDetails(details, job);
    if (before && before !== job.status) say(t("job.now", { status: jobStatusWord(job) }));
    heading.dispatchEvent(new Event("renamed", { bubbles: true }));
  }

  function showName() {
    const name = jobName(job, { text: text.text });
    if (heading.textContent === name) return;
    heading.textContent = name;
    heading.dispatchEvent(new Event("renamed", { bubbles: true }));
  }

  /** Show the job that a request answers with, unless something newer was shown while it was on its way. */
  async function showAnswer(verb) {
    const turn = (turns += 1);
    const answer = await (verb ? call(`${path}/${verb}`, { method: "POST" }) : call(path, { signal: closed.signal }));
    if (turn === turns && !closed.signal.aborted) showJob(answer);
  }

  async function readJob() {
    try {
      await showAnswer();
      if (unheard && stream && ended === null && isFinal(job.status)) end(job);
      // It was retried elsewhere.
      if (ended !== null && (!isFinal(job.status) || job.attempt !== ended)) watch();
      return true;
    } catch (error) {
      if (error.name === "AbortError" || job) return false;
      note.hidden = details.hidden = true;
      if (error.status === 404) heading.textContent = t("article.unknown");
      put(fault, unread(error, start));
      return false;
    }
  }

  async function start() {
    fault.replaceChildren();
    if (await readJob()) watch();
  }

  /** Back at this tab, or back on the network: what could not be read is read, and a retry made elsewhere is seen. */
  async function lookAgain() {
    if (!job) return start();
    if (ended === null) return; // its stream tells what is new
    if ((await readJob()) && ended !== null && !mark.textContent) settle();
  }

  function watch() {
    stream?.close();
    if (closed.signal.aborted) return;
    ended = null;
    text.reset(0);
    setMark(mark, null);
    stream = new Stream(
      `${path}/events`,
      {},
      {
        status: (next) => {
          showJob(next);
          readJob();
        },
        hold: ({ hold }) => showJob({ hold }),
        delta: (delta) => {
          // Bytes are missing, which the server's cursor rules out: begin anew rather than show a torn text.
          if (!text.take(delta)) return watch();
          note.hidden = text.bytes > 0;
          above.show(job);
          if (text.thought) thoughts.changed();
          showName();
          return reading.changed();
        },
        reasoning: (piece) => {
          if (!text.think(piece)) return watch();
          note.hidden = true;
          return thoughts.changed();
        },
        reset: ({ attempt }) => {
          text.reset(attempt);
          thoughts.changed();
          note.hidden = false;
          reading.changed();
        },
        done: end,
      },
      readJob,
      () => {
        unheard = true;
        put(fault, wrong(t("net.unread.event")));
        readJob();
      },
    );
  }

  function end(last) {
    stream.close();
    turns += 1;
    ended = last.attempt;
    showJob(last);
    settle();
  }

  /** Compare the text of the ended job with what is stored, and say so. */
  async function settle() {
    const compared = job;
    const watched = stream;
    showText();
    try {
      const found = await text.settle(compared, closed.signal);
      // It may run again by now.
      if (watched !== stream || !isFinal(job.status)) return;
      setMark(mark, compared.bytes ? found : null);
    } catch {
      return; // not reached: nothing is claimed
    }
    showText();
    await readJob();
  }

  function showText() {
    note.hidden = text.bytes > 0;
    showName();
    thoughts.draw();
    reading.draw();
    live.draw();
    if (restored) return;
    restored = true;
    restoreScroll();
  }

  async function cancelJob() {
    if (await ask(t("job.cancel.question"), t("job.cancel.yes"), t("job.cancel.no")))
      await act(cancel, () => showAnswer("cancel"), showFault);
  }

  async function retryJob() {
    if (await act(retry, () => showAnswer("retry"), showFault)) watch();
  }

  const timer = setInterval(() => job?.status === "queued" && !document.hidden && readJob(), WAITS_MS);
  onReturn(lookAgain, closed.signal);
  start();
  return {
    text,
    title: () =>
      job
        ? `${shownStatus(job) === "completed" ? "" : `${jobStatusWord(job)} · `}${heading.textContent}`
        : t("article"),
    node: el(
      "section",
      { class: "job" },
      place.node,
      el("div", { class: "head" }, heading, el("p", { class: "state" }, status, mark)),
      live.node,
      banner.node,
      put(actions, save, ...reading.buttons, retry, cancel, remove),
      fault,
      el("div", { class: "columns" }, el("div", { class: "reading" }, above.node, thoughts.node, note, ...reading.nodes, calls), details),
    ),
    step: (by) => place.step(by),
    close() {
      clearInterval(timer);
      closed.abort();
      stream?.close();
      reading.close();
      thoughts.close();
      live.close();
    },
  };
}

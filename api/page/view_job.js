// One job: its whole text as Markdown, growing while it is written, and what it took.

import { jobName } from "./card.js";
import { ask, el, put, say, wrong } from "./dom.js";
import { downloadLink } from "./download.js";
import { languageOf } from "./format.js";
import { jobDetails } from "./job_details.js";
import { cutShort, noteOf } from "./job_words.js";
import { Markdown } from "./markdown.js";
import { call } from "./net.js";
import { badge, isFinal, setBadge, statusWord } from "./status.js";
import { Stream } from "./stream.js";
import { JobText, MARKS } from "./job_text.js";

const NEAR_END = 120;
const RETRYABLE = ["failed", "expired", "cancelled"];
const LEAST_PAUSE_MS = 40;

export function jobView(id) {
  const path = `/v1/jobs/${id}`;
  const text = new JobText();
  const article = new Markdown();
  const raw = el("pre", { class: "raw", tabindex: "0", "aria-label": "The text as it is stored", hidden: true });
  const heading = el("h1", {}, "Article");
  const status = badge("queued");
  const mark = el("span", { class: "mark" });
  const crumbs = el("p", { class: "crumbs" }, el("a", { href: "#/" }, "Batches"));
  const fault = el("div", {});
  const note = el("p", { class: "note" }, "Reading the article …");
  const cut = el("p", { class: "cut", hidden: true });
  const details = el("aside", { class: "details", "aria-label": "About this article" });
  const cancel = el("button", { type: "button", class: "grave-quiet", hidden: true, onclick: cancelJob }, "Cancel");
  const retry = el("button", { type: "button", hidden: true, onclick: retryJob }, "Retry");
  const source = el("button", { type: "button", "aria-pressed": "false", onclick: toggleRaw }, "Plain text");
  const copy = el("button", { type: "button", onclick: copyText }, "Copy");
  const toEnd = el(
    "button",
    {
      type: "button",
      class: "to-end",
      hidden: true,
      onclick: () => scrollTo({ top: document.body.scrollHeight, behavior: "instant" }),
    },
    "Go to the end ↓",
  );
  const closed = new AbortController();
  let job = null;
  let stream = null;
  let frame = null;
  let waiting = null;
  let drawnAt = 0;
  let pause = LEAST_PAUSE_MS;

  function showText() {
    frame = null;
    const pinned =
      job &&
      !isFinal(job.status) &&
      text.bytes > 0 &&
      innerHeight + scrollY > document.body.scrollHeight - NEAR_END &&
      scrollY > 0;
    const began = performance.now();
    drawnAt = began;
    const language = languageOf(text.text);
    if (language) article.node.lang = raw.lang = language;
    if (raw.hidden) article.show(text.text);
    else raw.textContent = text.text;
    note.hidden = text.bytes > 0;
    if (pinned) scrollTo({ top: document.body.scrollHeight, behavior: "instant" });
    toEnd.hidden = !job || isFinal(job.status) || innerHeight + scrollY > document.body.scrollHeight - NEAR_END;
    // A long text takes longer to draw; then it is drawn less often, and the page stays quick.
    pause = Math.max(LEAST_PAUSE_MS, (performance.now() - began) * 5);
  }

  function textChanged() {
    waiting ??= setTimeout(
      () => {
        waiting = null;
        frame ??= requestAnimationFrame(showText);
      },
      Math.max(0, drawnAt + pause - performance.now()),
    );
  }

  function showJob(next) {
    const before = job?.status;
    job = { ...job, ...next };
    heading.textContent = jobName(job);
    setBadge(status, job.status);
    retry.hidden = !RETRYABLE.includes(job.status);
    cancel.hidden = isFinal(job.status) || job.cancel_requested_at !== null;
    note.textContent = noteOf(job);
    cut.textContent = cutShort(job);
    cut.hidden = !cut.textContent || !job.bytes;
    article.node.dataset.status = job.status;
    if (job.batch_id)
      put(
        crumbs,
        el("a", { href: "#/" }, "Batches"),
        " / ",
        el("a", { href: `#/batches/${job.batch_id}` }, "Its batch"),
      );
    put(details, ...jobDetails(job));
    if (before && before !== job.status) say(`The article is now: ${statusWord(job.status)}.`);
    heading.dispatchEvent(new Event("renamed", { bubbles: true }));
  }

  async function readJob() {
    try {
      showJob(await call(path, { signal: closed.signal }));
      return true;
    } catch (error) {
      if (error.name === "AbortError") return false;
      note.hidden = true;
      const again = el("button", { type: "button", onclick: start }, "Try again");
      if (!job)
        put(
          fault,
          wrong(error.message, error.status === 404 ? el("p", {}, el("a", { href: "#/" }, "All batches")) : again),
        );
      return false;
    }
  }

  async function start() {
    fault.replaceChildren();
    if (!(await readJob())) return;
    watch();
  }

  function watch() {
    stream?.close();
    if (closed.signal.aborted) return;
    text.reset(0);
    stream = new Stream(
      `${path}/events`,
      {},
      {
        status: (next) => {
          showJob(next);
          readJob();
        },
        delta: (delta) => {
          // Bytes are missing, which the server's cursor rules out: begin anew rather than show a torn text.
          if (!text.take(delta)) return watch();
          return textChanged();
        },
        reset: ({ attempt }) => {
          text.reset(attempt);
          textChanged();
        },
        done: finish,
      },
      readJob,
    );
  }

  async function finish(ended) {
    stream.close();
    showJob(ended);
    showText();
    try {
      const [words, why] = MARKS[await text.settle(ended, closed.signal)];
      mark.textContent = words;
      mark.title = why;
    } catch {
      mark.textContent = ""; // not reached: nothing is claimed
    }
    showText();
    await readJob();
  }

  function toggleRaw() {
    raw.hidden = !raw.hidden;
    article.node.hidden = !raw.hidden;
    source.setAttribute("aria-pressed", String(!raw.hidden));
    showText();
  }

  async function copyText() {
    try {
      await navigator.clipboard.writeText(text.text);
      say("Copied.");
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Cannot copy here";
    }
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  }

  async function cancelJob() {
    if (!(await ask("Stop writing this article? What is written so far is kept.", "Stop it", "Let it be written")))
      return;
    try {
      showJob(await call(`${path}/cancel`, { method: "POST" }));
    } catch (error) {
      put(fault, wrong(error.message));
    }
  }

  async function retryJob() {
    retry.disabled = true;
    fault.replaceChildren();
    try {
      showJob(await call(`${path}/retry`, { method: "POST" }));
      mark.textContent = "";
      watch();
    } catch (error) {
      put(fault, wrong(error.message));
    } finally {
      retry.disabled = false;
    }
  }

  addEventListener("scroll", textChanged, { passive: true });
  start();
  const save = downloadLink(`${path}/text?partial=true`, `${id}.md`, "Download as Markdown", "Download", (error) =>
    put(fault, wrong(error.message)),
  );
  return {
    text,
    title: () =>
      job ? `${job.status === "completed" ? "" : `${statusWord(job.status)} · `}${jobName(job)}` : "Article",
    node: el(
      "section",
      { class: "job" },
      crumbs,
      el("div", { class: "head" }, heading, el("p", { class: "state" }, status, mark)),
      el("div", { class: "actions" }, save, copy, source, retry, cancel),
      fault,
      el("div", { class: "columns" }, el("div", { class: "reading" }, cut, note, article.node, raw, toEnd), details),
    ),
    close() {
      closed.abort();
      stream?.close();
      clearTimeout(waiting);
      cancelAnimationFrame(frame);
      removeEventListener("scroll", textChanged);
    },
  };
}

"""Shows work in progress: the text of a job, the progress of a batch. Where there is no terminal, as plain lines.

Texts are what was asked for, and go to `out`; messages about them go to stderr.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from longhand.client.batch_objects import Batch
from longhand.client.client import Client
from longhand.client.events import Delta, Done, Event, OnHold, Reasoning, Reset, Status
from longhand.client.objects import Hold, Job
from longhand.terminal.batch_state import BatchState, thinking
from longhand.terminal.batch_view import BatchView
from longhand.terminal.cells import plain
from longhand.terminal.explanations import cut_short_words, plain_reason, reason, source_word, status_word
from longhand.terminal.failures import Failures, count_words, outcome
from longhand.terminal.lines import Lines, starts_over
from longhand.terminal.output import print_line
from longhand.terminal.waiting_words import hold_sentence
from longhand.words.catalogue import t


def watch_job(client: Client, job_id: str, out: TextIO, *, with_reasoning: bool = False) -> bool:
    """Write a job's text to `out` as it arrives, and its reasoning to stderr: all of it, or on a terminal only how much
    there is before the text. Returns whether the job was completed.
    """
    terminal = out.isatty()
    at_line_start = True
    thoughts = _Thoughts(sys.stderr, whole=with_reasoning)
    held = _HeldJob()
    for event in client.watch(job_id):
        if line := held.take(event):
            print_line(line, err=True)
        thoughts.take(event)
        match event:
            case Delta(text=text) if text:
                shown = plain(text) if terminal else text
                out.write(shown)
                out.flush()
                at_line_start = shown.endswith("\n") if shown else at_line_start
            case Reset(attempt=attempt):
                # In the output itself, so that nobody who keeps it takes two texts for one.
                out.write(f"{'' if at_line_start else chr(10)}{starts_over(attempt)}\n")
                out.flush()
                at_line_start = True
            case Status(job=job) if job["status"] == "queued":
                if not at_line_start and terminal:
                    out.write("\n")
                    out.flush()
                    at_line_start = True
                print_line(_waiting(job), err=True)
            case Done(job=job):
                if not at_line_start and terminal:
                    out.write("\n")
                    out.flush()
                print_line(_ending(job), err=True)
                return bool(job["status"] == "completed")
    # A 204: the job had already ended, and there was nothing new to send.
    return client.job(job_id)["status"] == "completed"


class _HeldJob:
    """What to say of a job's hold. Its feed calls only a queued job held, and a hold is tried by one that runs: whether
    it is lifted shows when that writes.
    """

    def __init__(self) -> None:
        self._shown: Hold | None = None
        self._runs = False
        self._is_tried = False

    def take(self, event: Event) -> str:
        match event:
            case Status(job=job):
                self._runs = job["status"] == "in_progress"
            case OnHold(hold=None):
                self._is_tried = self._runs and self._shown is not None
                return t("watch.tried_again") if self._is_tried else self._end()
            case OnHold(hold=hold) if hold is not None:
                before, self._shown, self._is_tried = self._shown, hold, False
                return _held(hold, before)
            case Delta() | Reasoning() if self._is_tried and event.text:
                return self._end()
        return ""

    def _end(self) -> str:
        before, self._shown, self._is_tried = self._shown, None, False
        return t("watch.not_held") if before is not None else ""


class _Thoughts:
    """Shows reasoning on stderr."""

    def __init__(self, err: TextIO, *, whole: bool) -> None:
        self._err = err
        self._whole = whole
        self._characters = 0
        self._is_open = False

    def take(self, event: Event) -> None:
        """Show a piece of reasoning, or how much there is by now; before anything else, end the line."""
        if isinstance(event, Reasoning):
            self._characters = len(event.text) + (self._characters if event.offset else 0)
            self._show(event.text)
        elif self._is_open and isinstance(event, Delta | Reset | Done):
            self._is_open = False
            self._err.write("\n")
            self._err.flush()

    def _show(self, text: str) -> None:
        if not text or not (self._whole or self._err.isatty()):
            return
        shown = plain(text) if self._err.isatty() else text
        self._err.write(shown if self._whole else f"\r{thinking(self._characters)}")
        self._is_open = True
        self._err.flush()


def watch_batch(client: Client, batch_id: str, console: Console, out: TextIO, *, with_texts: bool) -> bool:
    """Show a batch's progress on `console` until it has ended. Returns whether every job was completed.

    `with_texts` adds the texts that are being written: in a live panel, or as whole lines to `out`, each after the name
    of its job.
    """
    state = BatchState(client.batch(batch_id))
    in_panel = console.is_terminal and out.isatty()
    lines = Lines(out) if with_texts and not in_panel else None
    events = client.watch(batch_id, texts=("running" if in_panel else "all") if with_texts else "none")
    failures = Failures()
    with _shown(console, state, with_texts=with_texts and in_panel) as show:
        for event in events:
            failure = state.take(event)
            if failure is not None:
                _print(console, failures.add(failure), "red")
            if lines is not None:
                lines.take(event)
            show()
        for line in failures.groups():
            _print(console, line, "red")
        _print(console, failures.refused())
        _print(console, failures.again(batch_id), breaks=False)
        if cut := state.batch["request_counts"].get("incomplete"):
            _print(console, t("watch.retry_cut_short", count=cut, id=batch_id), "yellow", breaks=False)
    if not console.is_terminal:
        console.print(_counts(state), soft_wrap=True, highlight=False)
    return all_completed(state.batch)


def all_completed(batch: Batch) -> bool:
    """Whether every job of a batch was completed, but those that were deleted: their number stays in `total`."""
    return batch["status"] == "completed" and not batch["request_counts"]["failed"]


@contextmanager
def _shown(console: Console, state: BatchState, *, with_texts: bool) -> Iterator[Callable[[], None]]:
    if not console.is_terminal:
        yield _CountLines(console, state)
        return
    view = BatchView(state, with_texts=with_texts)
    # Drawn by a separate thread, so that the clock keeps running while no events arrive.
    with Live(get_renderable=lambda: view, console=console, refresh_per_second=8):
        yield lambda: None


class _CountLines:
    """Prints the counts when they have changed, and what holds the batch. The last counts are left to `watch_batch`,
    which always prints them.
    """

    def __init__(self, console: Console, state: BatchState) -> None:
        self._console = console
        self._state = state
        self._last = ""
        self._held = False

    def __call__(self) -> None:
        hold = self._state.batch.get("hold")
        if hold and not self._held:
            self._console.print(hold_sentence(hold), soft_wrap=True, highlight=False, markup=False)
        elif self._held and not hold and self._state.ended < self._state.total:
            self._console.print(t("watch.not_held"), soft_wrap=True)
        self._held = hold is not None
        line = _counts(self._state)
        if line != self._last and self._state.ended < self._state.total:
            self._last = line
            self._console.print(line, soft_wrap=True, highlight=False)


def _print(console: Console, line: str, style: str = "", *, breaks: bool = True) -> None:
    """Between words a terminal breaks a line that `breaks`; one with a command stays one to copy."""
    if line:
        console.print(Text(line, style=style), soft_wrap=not breaks or not console.is_terminal)


def _held(hold: Hold, before: Hold | None) -> str:
    """What to say of a hold; nothing when only the time of its next probe has changed."""
    if before is not None and all(hold[name] == before[name] for name in ("kind", "target", "reason", "since")):
        return ""
    return t("watch.on_hold", why=hold_sentence(hold))


def _waiting(job: Job) -> str:
    if not job["attempt"]:
        return status_word("queued")
    if job["error"] and job["error"]["code"] == "not_accepted":
        why = (job["error"]["message"] or "").removeprefix("The text was not accepted: ")
        return t("watch.not_accepted", attempt=job["attempt"], why=why)
    key = "watch.broke_off_because" if job["error"] else "watch.broke_off"
    return t(key, attempt=job["attempt"], why=reason(job))


def _ending(job: Job) -> str:
    usage = job["usage"]
    parts: list[str] = [status_word(job["status"])]
    if usage is not None and usage["output_tokens"] is not None:
        parts.append(t("watch.tokens", number=usage["output_tokens"], source=source_word(usage["source"])))
    if cut := cut_short_words(job):
        parts.insert(1, cut)
    if job.get("finish_reason") in ("tool_calls", "function_call"):
        parts.append(t("watch.called_a_tool", id=job["id"]))
    if job["error"]:
        parts.append(plain_reason(job))
    return t("join.comma").join(parts)


def _counts(state: BatchState) -> str:
    status = status_word(outcome(state.batch))
    parts = [t("watch.ended", status=status, ended=state.ended, total=state.total)]
    parts += [part.plain for part in count_words(state.batch, Counter(state.not_completed.values()))]
    if state.output_tokens is not None:
        parts.append(t("batch.tokens", number=state.output_tokens))
    return t("join.comma").join(parts)

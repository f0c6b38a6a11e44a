"""Summaries of one thing for a terminal: the stack, a job, a batch."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from jobs.model.message import calls_as_text
from jobs.model.prompt import prompt_of
from longhand.client.objects import Json
from longhand.terminal.cells import first_cells, one_line, plain
from longhand.terminal.costs import attempt_cost, cost_text
from longhand.terminal.explanations import (
    changed_parameters_words,
    cut_short_words,
    heading,
    plain_reason,
    reason,
    source_word,
    status_word,
    text_of_words,
    with_meaning,
)
from longhand.terminal.failures import outcome
from longhand.terminal.output import PlainConsole, open_console
from longhand.terminal.waiting_words import hold_sentence, waits_sentence
from longhand.words.catalogue import t, translated

if TYPE_CHECKING:
    # At run time this would load the stack for every `longhand jobs`.
    from jobs.settings import Settings
    from longhand.stack.stack import Stack

_STYLES = {
    "completed": "green",
    "in_progress": "cyan",
    "failed": "red",
    "lost": "red",
    "cancelled": "yellow",
    "expired": "yellow",
}

NUMBERS = frozenset({
    "attempt", "bytes", "completed", "cost", "deltas", "failed", "first_delta", "free", "jobs", "queued",
    "requests_per_minute", "running", "seconds", "streams", "tier", "tokens", "tokens_per_minute", "weight", "window",
})  # fmt: skip
"""The columns that hold numbers."""


def table_console() -> PlainConsole:
    """A console for tables on stdout. In a pipe or a file nothing is cut to the width of a terminal."""
    console = open_console()
    return console if console.is_terminal else open_console(width=400)


def plain_table(*names: str, fold: Collection[str]) -> Table:
    """A table without lines and with these columns, those of numbers on the right; those of `fold` may wrap."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(
            heading(name),
            justify="right" if name in NUMBERS else "left",
            no_wrap=name not in fold,
            overflow="fold" if name in fold else "ellipsis",
        )
    return table


def stack_summary(stack: "Stack") -> RenderableType:
    """What runs and where, without any secret."""
    settings = stack.settings
    redis = without_secret(stack.redis_url) + (t("up.embedded") if settings.redis_url is None else "")
    grid = Table.grid(padding=(0, 2))
    for name, value in (
        ("api", stack.url + (t("up.processes", number=stack.api_workers) if stack.api_workers > 1 else "")),
        ("docs", f"{stack.url}/docs"),
        ("upstream", _upstream(settings)),
        ("workers", t("up.streams", workers=stack.workers, streams=settings.streams)),
        ("home", str(stack.home)),
        ("database", without_secret(settings.database)),
        ("redis", redis),
        ("logs", str(stack.home / "logs")),
    ):
        grid.add_row(Text(t(f"up.{name}"), style="bold"), Text(value, overflow="fold"))
    return Panel(grid, title=t("up.ready"), title_align="left", border_style="green", expand=False)


def _upstream(settings: "Settings") -> str:
    if settings.upstreams is not None:
        return t("up.those_of", file=settings.upstreams)
    return without_secret(settings.require_upstream_url())


def job_summary(job: Json) -> RenderableType:
    """One job with its request and its attempts."""
    usage = job.get("usage")
    rows = {
        "status": status_text(job["status"]),
        "incomplete": Text(cut_short_words(job), style="yellow"),
        "batch": job.get("batch_id"),
        "custom_id": job.get("custom_id"),
        "model": job["model"],
        "upstream": job.get("upstream"),
        "waits": waits_sentence(job),
        "because": _because(job.get("hold")),
        "metadata": _pairs(job.get("metadata")),
        "cells": _beginning(_pairs(job.get("cells")) or ""),
        "prompt": _beginning(prompt_of(job.get("request") or {})),
        "changed_parameters": plain(changed_parameters_words(job)),
        "created": moment_of(job["created_at"]),
        "started": moment_of(job.get("started_at")),
        "finished": moment_of(job.get("finished_at")),
        "finish_reason": job.get("finish_reason"),
        "segments": _segments(job.get("segments")),
        "tool_calls": plain(calls_as_text(job.get("message"))),
        "bytes": number(job.get("bytes")),
        "sha256": job.get("sha256"),
        "text_of": text_of_words(job),
        "usage": _usage(usage),
        "cost": cost_text(job),
        "error": plain_reason(job),
    }
    attempts = job.get("attempts") or []
    view = _rows(job["id"], rows)
    return Group(view, "", _attempts_table(attempts)) if attempts else view


def batch_summary(batch: Json) -> RenderableType:
    """One batch with its counts."""
    usage = batch.get("usage")
    rows = {
        "status": status_text(outcome(batch)),
        "on_hold": hold_sentence(batch["hold"]) if batch.get("hold") else None,
        "because": _because(batch.get("hold")),
        "jobs": _named_pairs(batch["request_counts"]),
        "metadata": _pairs(batch.get("metadata")),
        "created": moment_of(batch["created_at"]),
        "completed_at": moment_of(batch.get("completed_at")),
        "usage": _usage({key: value for key, value in (usage or {}).items() if isinstance(value, int)}),
        "cost": cost_text(batch),
        "errors": _input_notes((batch.get("errors") or {}).get("data")),
        "read_otherwise": _input_notes(batch.get("warnings")),
    }
    return _rows(batch["id"], rows)


def _input_notes(notes: list[Json] | None) -> str:
    """What was noted of a batch's input, a line for each."""
    return "\n".join(
        message if note["line"] is None else t("show.line", line=note["line"], message=message)
        for note in notes or ()
        for message in [with_meaning(note.get("code"), note["message"])]
    )


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status_word(status), style=_STYLES.get(status.removeprefix("all_"), ""))


def without_secret(url: str) -> str:
    """A URL without its user and password; a SQLite file as its path."""
    if url.startswith("sqlite:"):
        return f"SQLite, {url.removeprefix('sqlite:///')}"
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))


def _segments(segments: list[Json] | None) -> str | None:
    """What each request wrote of a text that went on at the token limit."""
    return "\n".join(
        t(
            "show.segment",
            bytes=f"{segment['bytes']:,}",
            offset=f"{segment['offset']:,}",
            end=segment["finish_reason"] or t("show.interrupted"),
        )
        for segment in segments or ()
    )


def _attempts_table(attempts: list[Json]) -> Table:
    names = ("attempt", "outcome", "first_delta", "seconds", "deltas", "bytes", "cost", "worker_and_error")
    table = plain_table(*names, fold=("worker_and_error",))
    for attempt in attempts:
        # Of a lost one it would only say what happened to its job: that each was.
        error = "" if attempt.get("outcome") == "lost" else reason(attempt)
        table.add_row(
            str(attempt["attempt"]),
            status_text(attempt.get("outcome") or "running"),
            seconds(attempt["started_at"], attempt.get("first_delta_at")),
            seconds(attempt["started_at"], attempt.get("finished_at")),
            number(attempt.get("deltas")),
            number(attempt.get("bytes")),
            attempt_cost(attempt),
            Text(f"{attempt['worker']} {error}" if error else attempt["worker"]),
        )
    return table


def _rows(title: str, rows: dict[str, str | Text | None]) -> Table:
    grid = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(heading("id"), Text(title))
    for name, value in rows.items():
        if value:
            # As `Text`, so that square brackets in a prompt are not taken for markup.
            grid.add_row(heading(name), value if isinstance(value, Text) else Text(value))
    return grid


def _beginning(text: str) -> str:
    return first_cells(one_line(text), 200)


def _because(hold: Json | None) -> str | None:
    """What the upstream said before it was held."""
    return plain(translated(hold["message"])) if hold and hold["held_by"] != "person" else None


def _pairs(pairs: Json | None) -> str | None:
    return ", ".join(f"{key}={value}" for key, value in pairs.items()) if pairs else None


def _named_pairs(pairs: Json) -> str:
    """Counts with their names."""
    return t("join.comma").join(t("show.pair", name=heading(key), value=value) for key, value in pairs.items())


def _usage(usage: Json | None) -> str | None:
    """Token counts, as far as they are known."""
    known = {key: value for key, value in (usage or {}).items() if value is not None}
    if source := known.get("source"):
        known["source"] = source_word(source)
    return _named_pairs(known) or None


def number(value: int | None) -> str:
    """A count with commas; empty when it is not known."""
    return "" if value is None else f"{value:,}"


def seconds(start: float | None, end: float | None) -> str:
    """How long it took; empty when that is not known."""
    return "" if start is None or end is None else f"{end - start:.1f}"


def moment_of(moment: float | None) -> str:
    """A Unix time as this machine's clock shows it."""
    return "" if moment is None else datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")

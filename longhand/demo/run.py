"""One run of the demo.

It starts a whole stack in a temporary home, submits a batch of 20 articles, watches every job live over its own
connection, and then compares what was watched with what is stored.
"""

import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from jobs.acceptance.words import count_words
from jobs.settings import Settings
from longhand.client.client import Client
from longhand.client.objects import Job
from longhand.demo.prompts import ARTICLES
from longhand.demo.report import Outcome, Watcher, results_table, verdict
from longhand.simulator import Pace, serve_in_thread
from longhand.stack.stack import child_environ, choose_port, python, wait_until_ready
from longhand.stack.supervisor import Supervisor
from longhand.terminal.cells import last_cells
from longhand.terminal.explanations import status_word
from longhand.terminal.output import open_console
from longhand.terminal.tables import status_text, without_secret
from longhand.words.catalogue import t

_MARGIN_SECONDS = 20.0
"""How much longer than the grace of its workers `longhand up` may take to end."""
_NAME_CELLS, _STATUS_CELLS, _WORDS_CELLS = 15, 11, 9
_OF_THE_USER: tuple[str, ...] = ("LONGHAND_DATABASE_URL", "LONGHAND_REDIS_URL", "LONGHAND_URL", "LONGHAND_UPSTREAMS")
"""Variables that the demo's stack must not see: it has a database, a Valkey, an address and an upstream of its own."""
_UPSTREAM_KEYS = ("LONGHAND_UPSTREAM_API_KEY", "OPENAI_API_KEY")
"""The simulator has no use for a key of the user's upstream."""


def run_demo(settings: Settings, model: str, *, keep: bool) -> bool:
    """Run the demo and say how it went. True only if every text was stored and equals what was watched.

    With `keep` the stack stays up until Ctrl-C.
    """
    console = open_console()
    with _ending_as_interrupt(), ExitStack() as cleanup:
        unset = _OF_THE_USER
        upstream = settings.upstream_url
        if upstream is None:
            upstream = cleanup.enter_context(serve_in_thread(Pace(deltas_per_second=40))).url
            unset += _UPSTREAM_KEYS
            line = t("demo.simulator", url=upstream)
        else:
            line = t("demo.upstream", model=model, url=without_secret(upstream))
        console.print(line, soft_wrap=True, markup=False)
        url = cleanup.enter_context(_stack(settings.grace_seconds, upstream, unset, console))
        with Client(url) as client:
            began_at = time.monotonic()
            batch = client.submit_batch({"requests": _requests(model), "metadata": {"title": "longhand demo"}})
            console.print(t("demo.submitted", id=batch["id"], number=len(ARTICLES)), soft_wrap=True)
            watchers = [Watcher(job["id"], job["custom_id"] or job["id"]) for job in _jobs_of(client, batch["id"])]
            _watch_all(client, watchers, console)
            seconds = time.monotonic() - began_at
            outcomes = [_outcome(client, watcher) for watcher in watchers]
        console.print(results_table(outcomes))
        is_right = verdict(outcomes, seconds, console)
        if keep:
            console.print(t("demo.stays", url=url, id=batch["id"]))
            with suppress(KeyboardInterrupt):
                threading.Event().wait()
        return is_right


def _requests(model: str) -> list[dict[str, Any]]:
    return [
        {"custom_id": name, "body": {"model": model, "messages": [{"role": "user", "content": prompt}]}}
        for name, prompt in ARTICLES.items()
    ]


def _jobs_of(client: Client, batch_id: str) -> list[Job]:
    newest_first = list(client.jobs(batch_id=batch_id, limit=len(ARTICLES)))
    return newest_first[::-1]


@contextmanager
def _stack(grace_seconds: float, upstream: str, unset: Sequence[str], console: Console) -> Iterator[str]:
    """`longhand up` in a temporary home, ready, without the variables `unset`; gives the URL of its API.

    At the end it is ended and the home removed.
    """
    home = Path(tempfile.mkdtemp(prefix="longhand-demo-"))
    supervisor = Supervisor(lambda line: console.print(line, soft_wrap=True, markup=False))
    try:
        port = choose_port("127.0.0.1", 0)
        environ = child_environ({"LONGHAND_HOME": str(home), "LONGHAND_UPSTREAM_URL": upstream})
        for name in unset:
            environ.pop(name, None)
        command = python("longhand", "up", "--port", str(port))
        up = supervisor.start("longhand up", command, environ, home / "up.log")
        url = f"http://127.0.0.1:{port}"
        with console.status(t("demo.starting")):
            wait_until_ready(url, [up], lambda: time.sleep(0.05))
        console.print(t("demo.runs", url=url, home=home), soft_wrap=True)
        yield url
    finally:
        supervisor.end_all(grace_seconds + _MARGIN_SECONDS)
        shutil.rmtree(home, ignore_errors=True)


def _watch_all(client: Client, watchers: list[Watcher], console: Console) -> None:
    threads = [threading.Thread(target=watcher.follow, args=(client,), daemon=True) for watcher in watchers]
    for thread in threads:
        thread.start()
    if console.is_terminal:
        with Live(_live_table(watchers, console.width), console=console, refresh_per_second=10, transient=True) as live:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.1)
                    live.update(_live_table(watchers, console.width))
        return
    for watcher, thread in zip(watchers, threads, strict=True):
        thread.join()
        status = watcher.error or status_word(watcher.status)
        console.print(t("demo.watched", name=watcher.name, status=status, number=len(watcher.text)))


def _live_table(watchers: list[Watcher], width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for fixed in (_NAME_CELLS, _STATUS_CELLS):
        table.add_column(width=fixed, no_wrap=True)
    table.add_column(width=_WORDS_CELLS, justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    room = max(0, width - _NAME_CELLS - _STATUS_CELLS - _WORDS_CELLS - 8)
    for watcher in watchers:
        text = watcher.text
        status = Text(status_word("lost"), style="red") if watcher.error else status_text(watcher.status)
        tail = Text(last_cells(" ".join(text[-300:].split()), room), style="dim")
        table.add_row(Text(watcher.name), status, t("demo.words", number=count_words(text)), tail)
    return table


def _outcome(client: Client, watcher: Watcher) -> Outcome:
    return Outcome(watcher, client.read(watcher.job_id), client.text(watcher.job_id, partial=True))


@contextmanager
def _ending_as_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo as Ctrl-C does: its stack is ended and its home removed."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before: dict[signal.Signals, Any] = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)

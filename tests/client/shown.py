"""A batch and its jobs, made up or played, and what a terminal shows of them."""

import threading
from io import StringIO
from typing import Any

import redis
from rich.console import Console

from jobs.store.database import Database
from longhand import Client
from longhand.terminal import progress
from longhand.terminal.batch_state import BatchState
from longhand.terminal.batch_view import BatchView
from tests.api.batch_watching import submit_jobs
from tests.api.watching import Writer
from tests.client.sent import JOB

KNOWN = {"model": "m", "usage": None, "attempt": 1, "created_at": 1.0, "error": None}


def batch(total: int, completed: int = 0, failed: int = 0, in_progress: int = 0, status: str = "in_progress") -> Any:
    counts = {"total": total, "completed": completed, "failed": failed, "in_progress": in_progress}
    return {"id": "batch_1", "status": status, "request_counts": counts, "usage": {"output_tokens": 1234}}


def job(number: int, name: str | None, **fields: Any) -> Any:
    return {**JOB, "id": f"job_{number}", "custom_id": name, "index": number, "batch_id": "batch_1", **fields}


def drawn(state: BatchState, width: int, height: int) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(BatchView(state, with_texts=True))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def shown_by(view: Any) -> str:
    console = Console(file=StringIO(), width=200, color_system=None)
    console.print(view)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


class Played:
    """A batch of three, written while it is watched."""

    def __init__(self, database: Database, client: redis.Redis) -> None:
        self.batch_id, ids = submit_jobs(database, 3)
        self._writers = [Writer(database, client, job_id) for job_id in ids]

    def play(self) -> None:
        """Write all three; the second one fails."""
        for writer in self._writers:
            writer.write("One\n", "Two", " and the rest")
        self._writers[0].finish()
        self._writers[1].fail()
        self._writers[2].finish()

    def watch(self, port: int, console: Console, out: Any, *, with_texts: bool) -> bool:
        """Watch it while it is played."""
        playing = threading.Thread(target=self.play)
        with Client(f"http://127.0.0.1:{port}") as client:
            playing.start()
            try:
                return progress.watch_batch(client, self.batch_id, console, out, with_texts=with_texts)
            finally:
                playing.join()

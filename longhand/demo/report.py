"""What the demo saw of each article, how that compares with what is stored, and the report on it."""

from dataclasses import dataclass, field
from hashlib import sha256

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs.acceptance.words import count_words
from longhand.client.client import Client
from longhand.client.errors import LonghandError
from longhand.client.events import Delta, Done, Reset, Status
from longhand.client.objects import Json
from longhand.demo.prompts import ARTICLES
from longhand.terminal.explanations import explained, heading, reason
from longhand.terminal.tables import status_text
from longhand.words.catalogue import t


@dataclass(slots=True)
class Watcher:
    """One job, watched live in its own thread."""

    job_id: str
    name: str
    status: str = "queued"
    attempt: int = 0
    pieces: list[str] = field(default_factory=list)
    deltas: int = 0
    done: Done | None = None
    error: str = ""

    def follow(self, client: Client) -> None:
        """Watch to the end. An error is kept for the report: as an exception it would die with the thread."""
        try:
            for event in client.watch(self.job_id):
                match event:
                    case Status(job=job):
                        self.status, self.attempt = job["status"], job["attempt"]
                    case Delta(attempt=attempt, text=text):
                        self.pieces.append(text)
                        self.attempt = attempt
                        self.deltas += 1
                    case Reset():
                        self.pieces.clear()
                    case Done(job=job):
                        self.status, self.done = job["status"], event
        except LonghandError as error:
            self.error = explained(error)

    @property
    def text(self) -> str:
        """The text as it was watched, so far."""
        return "".join(list(self.pieces))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one article."""

    watcher: Watcher
    job: Json
    stored: str

    @property
    def is_equal(self) -> bool:
        """Whether the watched text, the stored text and the job's own SHA-256 agree."""
        watched = sha256(self.watcher.text.encode()).hexdigest()
        return bool(watched == sha256(self.stored.encode()).hexdigest() == self.job["sha256"])

    @property
    def is_stored(self) -> bool:
        """Whether the whole article is stored."""
        return bool(self.job["status"] == "completed" and self.stored)


def results_table(outcomes: list[Outcome]) -> Table:
    """The articles, one on each line."""
    table = Table(title=t("demo.results"), title_justify="left")
    table.add_column(heading("article"), no_wrap=True)
    table.add_column(heading("status"))
    for name in ("words", "tokens", "first_seconds", "deltas_each_second"):
        table.add_column(heading(name), justify="right")
    table.add_column(heading("equal"))
    for outcome in outcomes:
        job = outcome.job
        usage = job.get("usage") or {}
        table.add_row(
            Text(outcome.watcher.name),
            status_text(job["status"]),
            str(count_words(outcome.stored)),
            "" if usage.get("output_tokens") is None else str(usage["output_tokens"]),
            _shown(_between(job.get("started_at"), job.get("first_delta_at")), "{:.2f}"),
            _shown(_deltas_per_second(job), "{:.1f}"),
            Text(t("yes"), style="green") if outcome.is_equal else Text(t("demo.no"), style="bold red"),
        )
    return table


def verdict(outcomes: list[Outcome], seconds: float, console: Console) -> bool:
    """Print in words how it went; true only if every text is stored and equals what was watched."""
    stored = sum(outcome.is_stored for outcome in outcomes)
    equal = sum(outcome.is_equal for outcome in outcomes)
    for outcome in outcomes:
        if why := outcome.watcher.error or reason(outcome.job):
            console.print(f"{outcome.watcher.name}: {why}", style="red", markup=False)
    total = len(outcomes)
    good = stored == equal == total == len(ARTICLES)
    took = f"{seconds:.1f}"
    if good:
        line = t("demo.good", total=total, seconds=took)
    else:
        line = t("demo.bad", stored=stored, total=len(ARTICLES), equal=equal, seconds=took)
    console.print(line, style="bold green" if good else "bold red", soft_wrap=True)
    return good


def _deltas_per_second(job: Json) -> float | None:
    """The rate of the last attempt, from its first delta on."""
    attempt = job["attempts"][-1] if job["attempts"] else {}
    seconds = _between(attempt.get("first_delta_at"), attempt.get("finished_at"))
    deltas = attempt.get("deltas")
    return deltas / seconds if deltas and seconds else None


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)

"""A job's life as the design tells it, in plain Python: what the rows must say after each transition."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from jobs.model.endings import MAX_CRASHES
from jobs.tables import metadata
from tests.store.store_fixtures import LEASE, Rows

FINAL = {"completed", "failed", "cancelled", "expired"}
COUNTED = {"failures": "failed", "crashes": "lost", "rate_limits": "rate_limited", "drains": "released"}


@dataclass
class ExpectedJob:
    """One job; every method is one transition that is known to be allowed."""

    batch_id: str | None
    model: str
    max_attempts: int
    on_interrupt: str
    expires_at: datetime | None
    due_at: datetime
    hinted_at: datetime | None = None
    upstream: str | None = None
    status: str = "queued"
    worker: str | None = None
    lease_until: datetime | None = None
    cancel_requested_at: datetime | None = None
    finished_at: datetime | None = None
    outcomes: list[str | None] = field(default_factory=list)
    """Of each attempt, the first one first; None: it runs."""
    text: tuple[int, str] | None = None
    """The one stored text and the attempt that wrote it."""
    kept: tuple[int, str] | None = None
    """The longest text that another attempt had written before."""

    @property
    def attempt(self) -> int:
        """The last attempt that was given."""
        return len(self.outcomes)

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.status in FINAL

    def holds(self, attempt: int) -> bool:
        """Whether this attempt may still write."""
        return self.status == "in_progress" and attempt == self.attempt

    def is_due(self, now: datetime) -> bool:
        """Whether it may run now."""
        in_time = self.expires_at is None or self.expires_at > now
        return self.status == "queued" and self.due_at <= now and self.cancel_requested_at is None and in_time

    def left_text(self) -> str:
        """What the attempt that was given last may go on with."""
        if self.on_interrupt != "continue" or self.attempt == 1 or self.text is None:
            return ""
        return self.text[1]

    @property
    def is_reserved(self) -> bool:
        """Whether a claim may take it."""
        return self.upstream is not None and self.hinted_at is not None

    def reserve(self, now: datetime) -> None:
        """Dispatch gives it to an upstream, if nobody has it."""
        if self.upstream is None:
            self.upstream, self.hinted_at = "default", now

    def claim(self, worker: str, now: datetime) -> None:
        """A worker takes it."""
        self.outcomes.append(None)
        self.status, self.worker, self.hinted_at = "in_progress", worker, None
        self.lease_until = now + timedelta(seconds=LEASE)

    def renew(self, text: str | None, now: datetime) -> None:
        """Its worker keeps it."""
        self.lease_until = now + timedelta(seconds=LEASE)
        if text is not None:
            self.write(text)

    def write(self, text: str) -> None:
        """The last attempt has written so much; what another one had written is kept if it is the longest so far."""
        if self.text is not None and self.text[0] != self.attempt and size(self.text) > size(self.kept):
            self.kept = self.text
        self.text = (self.attempt, text)

    def end_text(self) -> None:
        """The job has ended: with its own text if it has completed, else with the longest one."""
        if self.status != "completed" and size(self.kept) > size(self.text):
            self.text = self.kept
        self.kept = None

    def leave(self, outcome: str, status: str, now: datetime, due_at: datetime | None, text: str | None) -> None:
        """Its attempt ends, and the job with it or not."""
        self.outcomes[-1], self.status, self.lease_until = outcome, status, None
        if text is not None:
            self.write(text)
        if due_at is not None:
            self.due_at = due_at
        if self.is_final:
            self.finished_at = now
            self.end_text()
        else:
            self.upstream = self.hinted_at = None

    def cancel(self, now: datetime) -> None:
        """Somebody wants it cancelled."""
        self.cancel_requested_at = self.cancel_requested_at or now
        if self.status == "queued":
            self.expire_and_cancel_queued("cancelled", now)

    def expire_and_cancel_queued(self, status: str, now: datetime) -> None:
        """It ends without having been claimed again."""
        self.status, self.finished_at = status, now
        if status == "cancelled":
            self.cancel_requested_at = self.cancel_requested_at or now
        self.end_text()

    def rescue(self, now: datetime) -> None:
        """Its worker is dead."""
        if self.cancel_requested_at is not None:
            status = "cancelled"
        elif self.expires_at is not None and self.expires_at <= now:
            status = "expired"
        else:
            status = "failed" if self.count("crashes") + 1 == MAX_CRASHES else "queued"
        self.leave("lost", status, now, now, None)

    def count(self, counter: str) -> int:
        """A counter, as the outcomes of its attempts add up to it."""
        return self.outcomes.count(COUNTED[counter])

    def stored(self) -> tuple[int, str] | None:
        """Length and hash of the stored text; None before the end."""
        if not self.is_final:
            return None
        encoded = (self.text[1] if self.text else "").encode()
        return len(encoded), sha256(encoded).hexdigest()


def size(text: tuple[int, str] | None) -> int:
    """The length of a text in UTF-8."""
    return len(text[1].encode()) if text else 0


def named(rows: Rows, table: str) -> list[dict[str, Any]]:
    """The rows of one table, by column."""
    names = [column.name for column in metadata.tables[table].columns]
    return [dict(zip(names, row, strict=True)) for row in rows[table]]


def assert_rows_say(rows: Rows, expected: dict[str, ExpectedJob]) -> None:
    """The rows of these jobs, their attempts and texts are exactly what is expected."""
    found = {row["id"]: row for row in named(rows, "jobs")}
    assert found.keys() == expected.keys()
    for job_id, job in expected.items():
        row = found[job_id]
        for name in ("batch_id", "status", "attempt", "worker", "lease_until", "cancel_requested_at", "finished_at",
                     "upstream"):  # fmt: skip
            assert row[name] == getattr(job, name), name
        if job.status == "queued":
            assert (row["due_at"], row["hinted_at"]) == (job.due_at, job.hinted_at)
        assert {name: row[name] for name in COUNTED} == {name: job.count(name) for name in COUNTED}
        assert row["failures"] <= row["max_attempts"]
        assert ((row["bytes"], row["sha256"]) if job.is_final else None) == job.stored()
        if job.is_final and job.text:
            assert row["text_attempt"] == job.text[0]
        # At most one attempt runs, and it is the last one of a running job.
        assert job.outcomes.count(None) == int(job.status == "in_progress")

    attempts: dict[str, list[tuple[int, str | None]]] = {job_id: [] for job_id in expected}
    for row in named(rows, "attempts"):
        attempts[row["job_id"]].append((row["attempt"], row["outcome"]))
        assert (row["outcome"] is None) is (row["finished_at"] is None)
    assert attempts == {job_id: list(enumerate(job.outcomes, 1)) for job_id, job in expected.items()}
    texts = {row["job_id"]: (row["attempt"], row["text"]) for row in named(rows, "texts")}
    assert texts == {job_id: job.text for job_id, job in expected.items() if job.text is not None}
    kept = {row["job_id"]: (row["attempt"], row["text"]) for row in named(rows, "longest_texts")}
    assert kept == {job_id: job.kept for job_id, job in expected.items() if job.kept is not None}

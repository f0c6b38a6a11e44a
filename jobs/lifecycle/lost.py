"""The texts of lost attempts: copied by the rescue, counted afterwards.

A rescue must not wait for a tokenizer, and the next attempt soon overwrites the checkpoint. So the rescue copies the
checkpoint in its own transaction, and the transaction that stores the count deletes the copy: if a process dies in
between, another one counts it. The count is a lower bound, because nobody has the text that came after the last
checkpoint, which was paid for too.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, or_, select, tuple_, update

from jobs.model.cost import Cost, cost_columns
from jobs.model.records import Usage
from jobs.model.segments import Segment, load_segments
from jobs.model.status import FINAL
from jobs.store.batch_counts import batch_sums
from jobs.store.database import Database
from jobs.store.job_requests import asked
from jobs.tables import attempts, batches, jobs, lost_texts, texts


@dataclass(frozen=True, slots=True)
class LostText:
    """What a lost attempt had written by its last checkpoint, and its request."""

    job_id: str
    attempt: int
    batch_id: str | None
    model: str
    request: dict[str, Any]
    text: str
    deltas: int | None
    continued_bytes: int
    """How many bytes at the beginning of the text were written by the previous attempt."""
    reasoning: str = ""
    upstream: str | None = None
    segments: tuple[Segment, ...] = ()
    """What whole requests wrote of it, if it went on at the token limit: of those the cost is known."""


def keep_lost_texts(connection: Connection, lost: Sequence[tuple[str, int]]) -> None:
    """Copy the checkpoints of these jobs and attempts, where there are any, within the rescue's transaction."""
    columns = ("job_id", "attempt", "text", "reasoning", "deltas")
    written = select(*(texts.c[name] for name in columns)).where(
        texts.c.job_id.in_([job_id for job_id, _ in lost]),  # by the pairs alone, SQLite would read every text there is
        tuple_(texts.c.job_id, texts.c.attempt).in_(lost),
        or_(texts.c.text != "", texts.c.reasoning != ""),
    )
    if lost:
        connection.execute(insert(lost_texts).from_select(columns, written))


def list_lost_texts(database: Database) -> list[tuple[str, int]]:
    """The jobs and attempts of some texts that have not been counted yet."""
    with database.read() as connection:
        rows = connection.execute(select(lost_texts.c.job_id, lost_texts.c.attempt).limit(100))
        return [(row.job_id, row.attempt) for row in rows]


def read_lost_text(database: Database, job_id: str, attempt: int) -> LostText | None:
    """One of these texts; None when it has been counted."""
    wanted = (
        select(
            lost_texts,
            attempts.c.batch_id,
            attempts.c.continued_bytes,
            attempts.c.upstream,
            attempts.c.segments,
            jobs.c.model,
            asked("request"),
        )
        .join(jobs, jobs.c.id == lost_texts.c.job_id)
        .join(attempts, (attempts.c.job_id == lost_texts.c.job_id) & (attempts.c.attempt == lost_texts.c.attempt))
        .where(lost_texts.c.job_id == job_id, lost_texts.c.attempt == attempt)
    )
    with database.read() as connection:
        row = connection.execute(wanted).one_or_none()
    if row is None:
        return None
    request = json.loads(row.request)
    begun = row.continued_bytes or 0
    return LostText(job_id, attempt, row.batch_id, row.model, request, row.text, row.deltas, begun,
                    row.reasoning, row.upstream, load_segments(row.segments))  # fmt: skip


def store_lost_count(
    database: Database,
    lost: LostText,
    usage: Usage | None,
    text_tokens: int,
    text_tokens_source: str,
    reasoning_tokens: int | None = None,
    cost: Cost | None = None,
) -> bool:
    """Give an attempt its counts, cost, deltas and bytes, and its job the same counts if it has ended with this text.

    False when another process has done it.
    """
    counted: dict[str, Any] = {"text_tokens": text_tokens, "text_tokens_source": text_tokens_source}
    if reasoning_tokens is not None:
        counted |= {"reasoning_text_tokens": reasoning_tokens, "reasoning_text_tokens_source": text_tokens_source}
    counted |= usage.as_columns() if usage else {}
    with database.write() as connection:
        # The batch before its jobs, as a retry locks them, and a job before its other rows, as everybody does.
        frozen = select(batches.c.completed).where(batches.c.id == lost.batch_id).with_for_update()
        has_ended = lost.batch_id is not None and connection.scalar(frozen) is not None
        connection.execute(select(jobs.c.id).where(jobs.c.id == lost.job_id).with_for_update())
        own = delete(lost_texts).where(lost_texts.c.job_id == lost.job_id, lost_texts.c.attempt == lost.attempt)
        if connection.execute(own).rowcount == 0:
            return False
        connection.execute(
            update(attempts)
            .where(attempts.c.job_id == lost.job_id, attempts.c.attempt == lost.attempt)
            .values(deltas=lost.deltas, bytes=len(lost.text.encode()), **counted, **cost_columns(cost))
        )
        # Not by the job's attempt: a later one may have been lost before its first checkpoint, and this text was kept.
        keeps_it = exists().where(texts.c.job_id == lost.job_id, texts.c.attempt == lost.attempt)
        connection.execute(
            update(jobs).where(jobs.c.id == lost.job_id, jobs.c.status.in_(FINAL), keeps_it).values(**counted)
        )
        if lost.batch_id is not None and has_ended:
            summed = batch_sums(connection, lost.batch_id)
            connection.execute(update(batches).where(batches.c.id == lost.batch_id).values(summed))
    return True

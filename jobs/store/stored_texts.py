"""The texts of jobs as rows: checkpoints, the longest of earlier attempts, and the one that is stored at the end.

What was paid is kept. Before an attempt's first checkpoint overwrites a text of an earlier attempt, that text is copied
to `longest_texts`, if no longer one is there. A job that ends without completing is stored with the longest text of all
its attempts. A job that completes has its own text alone.

Everything here is called within a transaction that holds the job's row, behind the fence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    and_,
    delete,
    func,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from jobs.live.status_changes import EMPTY_SHA256
from jobs.model.status import FINAL, JobStatus
from jobs.store.database import Database, insert_into
from jobs.store.pages import in_portions
from jobs.store.text_bytes import byte_length
from jobs.tables import USAGE, attempts, jobs, longest_texts, rejected_texts, texts

_COLUMNS = ("job_id", "attempt", "text", "reasoning", "deltas")
_REASONING_TOKENS = ("reasoning_text_tokens", "reasoning_text_tokens_source")
_COUNTS = ("first_delta_at", *USAGE, "usage_source", "text_tokens", "text_tokens_source", *_REASONING_TOKENS)
_OF_NO_OTHER = dict.fromkeys(("message", "finish_reason", "upstream_id", "upstream_model"))
"""What a job has of its last attempt alone: beside the text of another one it would be wrong."""


@dataclass(frozen=True, slots=True)
class StoredText:
    """The text that an ended job is stored with."""

    bytes: int
    sha256: str
    reasoning_bytes: int = 0
    reasoning_sha256: str = ""
    """Empty without any reasoning."""


class LongestText(NamedTuple):
    """The longest text of a job so far, and the reasoning of the same attempt."""

    attempt: int
    text: str
    reasoning: str


NO_TEXT = StoredText(0, EMPTY_SHA256)


def store_texts(connection: Connection, rows: Sequence[Mapping[str, Any]], *, ended: bool = False) -> None:
    """Store the texts of attempts that run or have not completed. Longer ones of earlier attempts are kept beside."""
    if not rows:
        return
    later = [row for row in rows if row["attempt"] > 1]
    for some in in_portions(later):
        _keep_longest(connection, some)
    _write(connection, rows, ended=ended)


def store_completed_texts(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store the texts of jobs that complete with them; what earlier attempts have left is not needed any more."""
    _write(connection, rows, ended=True)
    later = [row["job_id"] for row in rows if row["attempt"] > 1]
    if later:
        connection.execute(delete(longest_texts).where(longest_texts.c.job_id.in_(later)))
        connection.execute(delete(rejected_texts).where(rejected_texts.c.job_id.in_(later)))


def store_last_text(connection: Connection, status: JobStatus, row: Mapping[str, Any]) -> None:
    """Store the text of an attempt that is over and leaves its job in this status."""
    if status is JobStatus.COMPLETED:
        store_completed_texts(connection, [row])
        return
    ended = status in FINAL
    store_texts(connection, [row], ended=ended)
    if ended and row["attempt"] > 1:
        end_with_longest(connection, [row["job_id"]])


def end_with_longest(connection: Connection, job_ids: Sequence[str]) -> Mapping[str, StoredText]:
    """Give jobs that have ended without completing the longest text of their attempts, with its length, its hash and
    the counts of the attempt that wrote it; mark it as ended, so that search finds it. Returns what those have that
    have a text.
    """
    return {job_id: stored for job_id in job_ids if (stored := _end_one(connection, job_id)) is not None}


def read_longest(database: Database, job_id: str) -> LongestText | None:
    """The longest text of a job so far, with its reasoning: of a running job the checkpoint, unless an earlier attempt
    has left a longer text; of an ended one the stored text.
    """
    both = [
        select(table.c.attempt, table.c.text, table.c.reasoning).where(table.c.job_id == job_id)
        for table in (texts, longest_texts)
    ]
    with database.read() as connection:
        # In one statement, so that a text is not missed while it moves from one table to the other.
        rows = connection.execute(both[0].union_all(both[1])).all()
    found = [LongestText(row.attempt, row.text, row.reasoning) for row in rows]
    return max(found, key=lambda longest: (*_lengths(longest), longest.attempt), default=None)


def read_stored(database: Database, job_id: str, attempt: int) -> StoredText | None:
    """What a job is stored with that ended in this attempt; None when it runs again, or is gone."""
    ended = (jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.status.in_(FINAL))
    proof = select(jobs.c.bytes, jobs.c.sha256, jobs.c.reasoning_bytes, jobs.c.reasoning_sha256)
    with database.read() as connection:
        row = connection.execute(proof.where(*ended)).one_or_none()
    return StoredText(row.bytes, row.sha256, row.reasoning_bytes or 0, row.reasoning_sha256 or "") if row else None


def _keep_longest(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Copy what these rows are about to overwrite, where it is another attempt's and the longest so far."""
    ours = [(row["job_id"], row["attempt"]) for row in rows]
    kept = longest_texts.alias()
    overwritten = (
        select(*(texts.c[name] for name in _COLUMNS))
        .join_from(texts, kept, kept.c.job_id == texts.c.job_id, isouter=True)
        .where(
            texts.c.job_id.in_([job_id for job_id, _ in ours]),
            tuple_(texts.c.job_id, texts.c.attempt).not_in(ours),
            _is_longer(connection, kept),
        )
    )
    copy = insert_into(connection, longest_texts).from_select(_COLUMNS, overwritten)
    changes = {name: copy.excluded[name] for name in _COLUMNS[1:]}
    connection.execute(copy.on_conflict_do_update(index_elements=[longest_texts.c.job_id], set_=changes))


def _write(connection: Connection, rows: Sequence[Mapping[str, Any]], *, ended: bool) -> None:
    """One text a job, whichever attempt wrote it."""
    connection.execute(_writing(connection.dialect.name), [{"reasoning": "", **row, "ended": ended} for row in rows])


@cache
def _writing(dialect: str) -> Insert:
    row = sqlite.insert(texts) if dialect == "sqlite" else postgresql.insert(texts)
    changes = {name: row.excluded[name] for name in ("attempt", "text", "reasoning", "deltas", "ended")}
    return row.on_conflict_do_update(index_elements=[texts.c.job_id], set_=changes)


def _end_one(connection: Connection, job_id: str) -> StoredText | None:
    connection.execute(delete(rejected_texts).where(rejected_texts.c.job_id == job_id))
    kept = connection.execute(
        delete(longest_texts).where(longest_texts.c.job_id == job_id).returning(*longest_texts.c)
    ).one_or_none()
    last = connection.execute(
        update(texts)
        .where(texts.c.job_id == job_id)
        .values(ended=true())
        .returning(*(texts.c[name] for name in _COLUMNS))
    ).one_or_none()
    if kept is not None and (last is None or _lengths(kept) > _lengths(last)):
        _write(connection, [{name: getattr(kept, name) for name in _COLUMNS}], ended=True)
        last = kept
    if last is None:
        return None
    stored = StoredText(*_proof(last.text), *(_proof(last.reasoning) if last.reasoning else ()))
    counts = select(*(attempts.c[name] for name in _COUNTS)).where(
        attempts.c.job_id == job_id, attempts.c.attempt == last.attempt
    )
    counted = connection.execute(counts).mappings().one()
    own = {"bytes": stored.bytes, "sha256": stored.sha256, "text_attempt": last.attempt}
    own |= {"reasoning_bytes": stored.reasoning_bytes or None, "reasoning_sha256": stored.reasoning_sha256 or None}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(**own, **counted))
    other = update(jobs).where(jobs.c.id == job_id, jobs.c.attempt != last.attempt)
    connection.execute(other.values(_OF_NO_OTHER))
    return stored


def _proof(text: str) -> tuple[int, str]:
    encoded = text.encode()
    return len(encoded), sha256(encoded).hexdigest()


def _lengths(row: Any) -> tuple[int, int]:
    """What makes one text longer than another: the text, and between equal ones the reasoning."""
    return len(row.text.encode()), len(row.reasoning.encode())


def _is_longer(connection: Connection, kept: Any) -> ColumnElement[bool]:
    """Whether the row in `texts` is longer than the one that is kept, by the rule of `_lengths`."""
    length = partial(byte_length, is_sqlite=connection.dialect.name == "sqlite")
    text, reasoning = (
        (length(texts.c[name]), func.coalesce(length(kept.c[name]), 0)) for name in ("text", "reasoning")
    )
    return or_(text[0] > text[1], and_(text[0] == text[1], reasoning[0] > reasoning[1]))

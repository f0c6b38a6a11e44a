"""Parts of stored texts, which may be too long to be held whole."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, LargeBinary, func, literal_column, select

from jobs.live.channel import TextKind
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.tables import jobs, texts


@dataclass(frozen=True, slots=True)
class TextPart:
    """A part of a text as UTF-8, with the attempt that wrote the text, and where its job is."""

    text: bytes
    attempt: int
    job_status: JobStatus
    job_attempt: int


def read_text_part(database: Database, job_id: str, offset: int, size: int, kind: TextKind = "text") -> TextPart | None:
    """Up to `size` bytes from byte `offset` on, of the last checkpoint or the stored text, or of its reasoning: both
    may be too long to be held by each of many watchers.
    """
    cut = func.substr(func.convert_to(texts.c[kind], "UTF8"), offset + 1, size, type_=LargeBinary)
    found = literal_column("texts.rowid") if database.is_sqlite else cut
    wanted = (
        select(found.label("part"), texts.c.attempt.label("text_attempt"), jobs.c.status, jobs.c.attempt)
        .join_from(jobs, texts, texts.c.job_id == jobs.c.id, isouter=True)
        .where(jobs.c.id == job_id)
    )
    with database.read() as connection:
        row = connection.execute(wanted).one_or_none()
        if row is None:
            return None
        read = _read_blob(connection, kind, row.part, offset, size) if database.is_sqlite else row.part
    return TextPart(read or b"", row.text_attempt or 0, JobStatus(row.status), row.attempt)


def _read_blob(connection: Connection, kind: TextKind, row_id: int | None, offset: int, size: int) -> bytes | None:
    """A part of a text in SQLite, whose `substr` would read all of it for each part."""
    if row_id is None:
        return None
    driver: Any = connection.connection.driver_connection
    with driver.blobopen("texts", kind, row_id, readonly=True) as blob:
        blob.seek(min(offset, len(blob)))
        read: bytes = blob.read(size)
    return read

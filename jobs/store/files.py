"""Files: uploads, and the outputs of batches. The row is authoritative; the bytes of an upload are on disk.

The output of a batch is not on disk: it is written from the rows of its jobs each time somebody reads it, so what was
retried later is in it. Its row is made by the transaction that ends the batch.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, delete, exists, insert, or_, select, update

from jobs.model.ids import new_ids
from jobs.store.database import Database, insert_into
from jobs.store.pages import read_page
from jobs.store.projects import keep_seconds_of, read_limited
from jobs.tables import batches, files

BATCH = "batch"
"""The purpose of a batch's input."""
BATCH_OUTPUT = "batch_output"
"""The purpose of a batch's outputs: its answers, and its errors."""

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class File:
    """One file: the row of `files`, without its project."""

    id: str
    purpose: str
    filename: str
    bytes: int | None
    """The length of the download; None for an output that nobody has asked about since its batch ended."""
    created_at: datetime
    expires_at: datetime | None
    """For an upload that says nothing itself, by the default of its project at this moment."""
    batch_id: str | None
    """For an output: its batch."""

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        values = {name: row[name] for name in cls.__slots__}
        default = row["project_keep_seconds"] if row["purpose"] == BATCH else None
        if values["expires_at"] is None and default is not None:
            values["expires_at"] = row["created_at"] + timedelta(seconds=default)
        return cls(**values)


def add_upload(
    database: Database, file_id: str, *, project: str, filename: str, size: int, seconds: int | None
) -> File:
    """Insert the row of an upload whose bytes are on disk; from then on the file exists. It expires after `seconds`, or
    when its project says so.
    """
    now = database.now()
    row = {
        "id": file_id,
        "project": project,
        "purpose": BATCH,
        "filename": filename,
        "bytes": size,
        "created_at": now,
        "expires_at": now + timedelta(seconds=seconds) if seconds is not None else None,
        "batch_id": None,
    }
    with database.write() as connection:
        connection.execute(insert(files).values(row))
        return File.from_row(connection.execute(_wanted().where(files.c.id == file_id)).mappings().one())


def read_file(database: Database, file_id: str, *, project: str) -> File | None:
    """One file of a project; None when it has expired."""
    wanted = _wanted().where(files.c.id == file_id, files.c.project == project, _alive(database))
    with database.read() as connection:
        row = connection.execute(wanted).mappings().one_or_none()
    return File.from_row(row) if row else None


def list_files(
    database: Database, *, project: str, purpose: str | None, after: str | None, limit: int, newest_first: bool = True
) -> tuple[list[File], bool]:
    """A page of a project's files after the one with id `after`, and whether there are more."""
    query = _wanted().where(files.c.project == project, _alive(database))
    if purpose is not None:
        query = query.where(files.c.purpose == purpose)
    with database.read() as connection:
        rows, has_more = read_page(connection, query, files.c.id, after, limit, newest_first=newest_first)
    return [File.from_row(row) for row in rows], has_more


def delete_file(database: Database, file_id: str, *, project: str) -> bool:
    """Delete the row of a file; the caller then deletes its bytes, if there are any on disk. False: no such file.

    A batch that was made from the file still runs: its jobs need neither its input nor its outputs.
    """
    gone = delete(files).where(files.c.id == file_id, files.c.project == project, _alive(database))
    with database.write() as connection:
        found = connection.execute(gone).rowcount > 0
    database.mark_erased()
    return found


def delete_expired(database: Database) -> list[str]:
    """Delete the rows of files that have expired, by their own time or as uploads by that of their project. Returns
    their ids, for the caller to delete the bytes.
    """
    now = database.now()
    expired = [files.c.expires_at <= now]
    for project, seconds in read_limited(database):
        old = and_(files.c.purpose == BATCH, files.c.created_at <= now - timedelta(seconds=seconds))
        expired.append(and_(files.c.project == project, files.c.expires_at.is_(None), old))
    with database.read() as connection:  # nearly always there is none, and no write lock is taken
        found = list(connection.scalars(select(files.c.id).where(or_(*expired)).limit(_AT_ONCE)))
    if found:
        with database.write() as connection:
            connection.execute(delete(files).where(files.c.id.in_(found)))
        database.mark_erased()
    return found


def which_exist(database: Database, file_ids: Collection[str]) -> set[str]:
    """Those of these ids that have a row."""
    with database.read() as connection:
        return set(connection.scalars(select(files.c.id).where(files.c.id.in_(file_ids))))


def keep_bytes(database: Database, file: File, size: int, ended_at: datetime) -> None:
    """Store the length of an output, unless its batch has run again since it ended at this time."""
    same = exists().where(batches.c.id == file.batch_id, batches.c.finalizing_at == ended_at)
    with database.write() as connection:
        connection.execute(update(files).where(files.c.id == file.id, same).values(bytes=size))


def name_outputs(batch: RowMapping, now: datetime, *, completed: int, failed: int) -> dict[str, str | None]:
    """The ids of a batch's two output files at its end: None where no job belongs in one, and the old id when the
    batch had ended before.
    """
    fresh = new_ids("file", 2, now)
    return {
        "output_file_id": (batch["output_file_id"] or fresh[0]) if completed else None,
        "error_file_id": (batch["error_file_id"] or fresh[1]) if failed else None,
    }


def add_outputs(connection: Connection, batch: RowMapping, named: Mapping[str, str | None], now: datetime) -> None:
    """Make the rows of a batch's output files, in the transaction that ends it. A deleted one is made again."""
    expires_at = now + timedelta(seconds=batch["output_seconds"]) if batch["output_seconds"] is not None else None
    for kind, file_id in named.items():
        if file_id is None:
            if batch[kind] is not None:  # it had ended before, and since then a retry has left no failure
                connection.execute(delete(files).where(files.c.id == batch[kind]))
            continue
        row = {
            "id": file_id,
            "project": batch["project"],
            "purpose": BATCH_OUTPUT,
            "filename": f"{batch['id']}_{kind.removesuffix('_file_id')}.jsonl",
            "bytes": None,
            "created_at": now,
            "expires_at": expires_at,
            "batch_id": batch["id"],
        }
        again = {"bytes": None, "created_at": now, "expires_at": expires_at}
        added = insert_into(connection, files).values(row)
        connection.execute(added.on_conflict_do_update(index_elements=[files.c.id], set_=again))


def forget_bytes(connection: Connection, file_ids: Collection[str | None]) -> None:
    """Forget the length of a batch's outputs, because the batch runs again."""
    known = [file_id for file_id in file_ids if file_id is not None]
    if known:
        connection.execute(update(files).where(files.c.id.in_(known)).values(bytes=None))


def _alive(database: Database) -> ColumnElement[bool]:
    return or_(files.c.expires_at.is_(None), files.c.expires_at > database.now())


def _wanted() -> Select[Any]:
    return select(files, keep_seconds_of(files))

"""What was asked of a job: in its own row where it is short, and in `job_requests` where it is long.

SQLite writes a row again with each change of a status, all of it: a request of 9 MB took 0.12 s each time, and nobody
else could write meanwhile. So a long one has a row that never changes, and `request` in the row of its job is empty.

This is the one place that reads `request`, `accept` and `cells` of `jobs`: whoever read a long one there would show
nothing, or send nothing to the model. `tests/store/test_job_requests.py` looks for others.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Text, case, func, insert, literal_column, select

from jobs.store.database import Database
from jobs.store.pages import in_portions
from jobs.strict_json import dump_json
from jobs.tables import job_requests, jobs

LONG_REQUEST = 4096
"""More bytes than this are stored apart. It is a page of SQLite: an update of what is shorter writes a page or two."""

MOST_OUTPUT_TOKENS = 1_000_000
"""No model writes more in one answer. A request may ask for any number, and a lane must not wait for years for it, nor
must a number that the database cannot hold keep all jobs from being dispatched."""

# The first part lets it begin only where a run of such letters does: else each letter of a run would be a beginning.
_ENCODED = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{4096,}={0,2}")
_ENCODED_BYTES = 4000
"""An image or a sound in a request is reckoned as a thousand tokens, not by the length of its base64: one of 8 MB
kept all jobs of its lane waiting for a minute."""

_PROMPT = frozenset({"messages", "tools", "functions", "response_format", "prediction"})
_ASIDE_BYTES = 4000
"""What a model reads of a request. No other field of it is reckoned as more than a thousand tokens: many upstreams pass
over a field that they do not know, however long it is.
"""

ASKED = ("request", "accept", "cells")

BYTES_OF_PAIR = 512
"""So many bytes a pair of metadata counts beside its text: it has a row in an index, and takes as long to write."""

# Named by hand: in RETURNING, SQLAlchemy leaves the names of tables out on SQLite; then one would be the other.
_IS_SHORT = literal_column("jobs.request", Text) != literal_column("''")
_OF_JOB = literal_column("job_requests.job_id", Text) == literal_column("jobs.id", Text)


class NewRow(NamedTuple):
    """A new job as a row of `jobs`, and what of it is long as a row of `job_requests`."""

    job: dict[str, Any]
    long: dict[str, Any] | None
    bytes: int
    """Of request, rules and cells together, and of the metadata as `metadata_bytes` counts them."""


class LongRequest(NamedTuple):
    """What others need to know of a long request, so that nobody has to read it."""

    bytes: int
    """Of request, rules and cells together."""
    request_bytes: int
    """What its tokens are reckoned from."""
    most_output: int | None


def find_most_output(request: Mapping[str, Any]) -> int | None:
    """How many tokens a request asks for at most; None: it does not say."""
    output = request.get("max_completion_tokens") or request.get("max_tokens")
    # `true` is an int, too, and PostgreSQL takes no boolean for a number.
    return int(min(max(0, output), MOST_OUTPUT_TOKENS)) if isinstance(output, int) else None


def prompt_bytes(request: Mapping[str, Any], written: str | None = None) -> int:
    """What the tokens of a request are reckoned from; `written`: the same as JSON."""
    aside = {name: value for name, value in request.items() if name not in _PROMPT}
    beyond = (max(0, _reckoned(dump_json(value)) - _ASIDE_BYTES) for value in aside.values())
    return _reckoned(dump_json(request) if written is None else written) - sum(beyond)


def _reckoned(written: str) -> int:
    encoded = [found.end() - found.start() for found in _ENCODED.finditer(written)]
    return len(written) - sum(encoded) + _ENCODED_BYTES * len(encoded)


def new_row(row: dict[str, Any], request: Mapping[str, Any]) -> NewRow:
    """A new job as it is stored; `request` is that of the row, as it was before it became text."""
    # As JSON all of it is ASCII: a character is a byte.
    size = sum(len(row[name]) for name in ASKED if row[name])
    written = size + metadata_bytes(row["metadata"])
    if size <= LONG_REQUEST:
        return NewRow(row, None, written)
    long = {"job_id": row["id"], "bytes": size, "request_bytes": prompt_bytes(request, row["request"])}
    long |= {"most_output": find_most_output(request)} | {name: row[name] for name in ASKED}
    return NewRow(row | {"request": "", "accept": None, "cells": None}, long, written)


def metadata_bytes(metadata: Mapping[str, str]) -> int:
    """What the metadata of a job count in a transaction that writes or deletes it."""
    return len(dump_json(metadata)) + BYTES_OF_PAIR * len(metadata)


def insert_long(connection: Connection, rows: Sequence[NewRow]) -> None:
    """Store what of new jobs is long, in the transaction that inserts the jobs."""
    long = [row.long for row in rows if row.long is not None]
    if long:
        connection.execute(insert(job_requests), long)


def asked(name: str) -> ColumnElement[Any]:
    """What was asked of a job, by the name of its column: one of `ASKED`."""
    return case((_IS_SHORT, _in_row(name)), else_=_apart(name)).label(name)


def short_request() -> ColumnElement[str]:
    """The request of a job; empty where it is long."""
    return jobs.c.request


def asked_bytes(names: Collection[str] = ASKED) -> ColumnElement[int]:
    """How many bytes these have together; of a long one all of them, which is known without reading it."""
    short: Any = sum(func.coalesce(func.length(_in_row(name)), 0) for name in names)
    return case((_IS_SHORT, short), else_=_apart("bytes"))


def job_columns(*left_out: str) -> Iterator[ColumnElement[Any]]:
    """All columns of a job, but these."""
    for column in jobs.c:
        if column.name not in left_out:
            yield asked(column.name) if column.name in ASKED else column


def columns_in_row(*left_out: str) -> Iterator[ColumnElement[Any]]:
    """All columns of a job as its row has them, but these: of a long request nothing. For statements that write: nobody
    else writes to SQLite until all that they return is read. What is long comes with `read_asked`.
    """
    return (column for column in jobs.c if column.name not in left_out)


def read_asked(database: Database, job_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`request` and `accept` of those of these jobs whose request is long, decoded."""
    columns = (job_requests.c.job_id, job_requests.c.request, job_requests.c.accept)
    found: dict[str, dict[str, Any]] = {}
    for some in in_portions(job_ids):
        with database.read() as connection:
            for row in connection.execute(select(*columns).where(job_requests.c.job_id.in_(some))):
                accept = json.loads(row.accept) if row.accept else None
                found[row.job_id] = {"request": json.loads(row.request), "accept": accept}
    return found


def read_long_requests(connection: Connection, job_ids: Sequence[str]) -> dict[str, LongRequest]:
    """What is known of the long requests among those of these jobs."""
    columns = (job_requests.c[name] for name in ("job_id", *LongRequest._fields))
    known = select(*columns)
    found = {}
    for some in in_portions(job_ids):
        for job_id, *known_of_it in connection.execute(known.where(job_requests.c.job_id.in_(some))):
            found[job_id] = LongRequest(*known_of_it)
    return found


def _in_row(name: str) -> ColumnElement[Any]:
    return literal_column(f"jobs.{name}", jobs.c[name].type)


def _apart(name: str) -> ColumnElement[Any]:
    wanted = select(literal_column(f"job_requests.{name}", job_requests.c[name].type))
    return wanted.select_from(job_requests).where(_OF_JOB).scalar_subquery()

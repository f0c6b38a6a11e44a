"""Ids that sort by the time of their creation."""

import math
import re
import secrets
from datetime import UTC, datetime

_SEQUENCE_LIMIT = 16**5
_ID = re.compile(r"[a-z]+_(0[0-9a-f]{11})[0-9a-f]{17}")
_RESPONSE = re.compile(r"resp_([0-9a-f]{1,60})")


def new_ids(prefix: str, count: int, made_at: datetime | None = None) -> list[str]:
    """`count` ids such as `job_019aab12cd34000050f3c9a1b2d4`: milliseconds, place in the list, random part.

    Ids of one call sort in the order of the list, and ids of two calls by their millisecond. So `ORDER BY id` is the
    order of the input within a batch, and the order of submission over all jobs; neither needs a column of its own.
    """
    if count > _SEQUENCE_LIMIT:
        raise ValueError(f"at most {_SEQUENCE_LIMIT} ids in one call, not {count}")
    made_at = made_at or datetime.now(UTC)
    return [numbered_id(prefix, place, made_at) for place in range(count)]


def numbered_id(prefix: str, place: int, made_at: datetime) -> str:
    """The id at one place of a list whose length is not known yet; every call for the list needs the same `made_at`."""
    if not 0 <= place < _SEQUENCE_LIMIT:
        raise ValueError(f"at most {_SEQUENCE_LIMIT} ids in one list, and this is number {place}")
    return f"{prefix}_{_milliseconds(made_at):012x}{place:05x}{secrets.token_hex(6)}"


def new_id(prefix: str, made_at: datetime | None = None) -> str:
    return new_ids(prefix, 1, made_at)[0]


def worker_name(host: str, pid: int, mark: str) -> str:
    """The name of a worker process. Two machines may have one host name, and then the random mark tells them apart."""
    return f"{host}:{pid}:{mark}"


def first_id(prefix: str, made_at: datetime) -> str:
    """An id that sorts before every id made at this time or later, and after every earlier one."""
    return f"{prefix}_{max(0, _milliseconds(made_at)):012x}"


def time_of_id(made_id: str) -> datetime | None:
    """When this id was made; None for what no function here has made."""
    found = _ID.fullmatch(made_id)
    return datetime.fromtimestamp(int(found[1], 16) / 1000, UTC) if found else None


def _milliseconds(moment: datetime) -> int:
    return math.floor(moment.timestamp() * 1000)


def place_in_batch(job_id: str) -> int:
    """The place of a job in the batch that it was submitted with, from 0. Raises ValueError for any other string."""
    return int(job_id.partition("_")[2][12:17], 16)


def response_id(job_id: str) -> str:
    """The id of a job as a Response."""
    return "resp_" + job_id.partition("_")[2]


def job_id_of(named: str) -> str | None:
    """The id of a Response's job; None when this cannot be a Response's id."""
    match = _RESPONSE.fullmatch(named)
    return f"job_{match[1]}" if match else None

"""Whether the streams of an upstream get text at this moment, as the rows of its lanes say."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import Connection, exists, func, select, tuple_

from jobs.dispatch.holds import HoldKind
from jobs.dispatch.rounds import Key
from jobs.pace.state import WRITING_SECONDS
from jobs.tables import api_keys, holds, jobs, lanes

NEVER = datetime(1, 1, 1, tzinfo=UTC)


class _Pace(msgspec.Struct):
    """Of the pace of a lane, what is read here (`jobs/pace/state.py`)."""

    wrote_at: float = 0.0
    address: str = ""


_PACE = msgspec.json.Decoder(_Pace)


def is_writing(connection: Connection, upstream: str, now: datetime) -> bool:
    """Whether a stream got text in the last seconds, in any lane. All are asked that were stored meanwhile: of those
    used last, one project had a hundred, by bad prompts for as many models, and the lanes that are written are older.
    """
    since = now - timedelta(seconds=WRITING_SECONDS)
    of_it = select(lanes.c.pace).where(lanes.c.upstream == upstream, lanes.c.updated_at >= since)
    stored = connection.scalars(of_it.where(lanes.c.pace.is_not(None)))
    return any(wrote_at(pace) > since.timestamp() for pace in stored)


def is_right_address(connection: Connection, upstream: str, address_mark: str) -> bool:
    """Whether a request was accepted at this address, in any lane. What was accepted at another one proves nothing: an
    upstream keeps its name when its URL changes, as after a first try with a simulator.
    """
    of_it = select(lanes.c.pace).where(lanes.c.upstream == upstream, lanes.c.accepted_at.is_not(None))
    known = {_read(pace).address for pace in connection.scalars(of_it)}
    return address_mark in known or "" in known or bool(known and not address_mark)


def find_written(connection: Connection, keys: Sequence[Key]) -> dict[Key, datetime]:
    """When these lanes got text last; those that never did, as far as is known, are left out."""
    of_them = select(lanes.c.upstream, lanes.c.model, lanes.c.pace).where(
        tuple_(lanes.c.upstream, lanes.c.model).in_(keys), lanes.c.pace.is_not(None)
    )
    found = {(row.upstream, row.model): wrote_at(row.pace) for row in connection.execute(of_them)}
    return {key: datetime.fromtimestamp(at, UTC) for key, at in found.items() if at}


def has_several_projects(connection: Connection) -> bool:
    """Whether more than one has jobs, or a key and so may have some at any moment."""
    ends = [(select(func.min(of)), select(func.max(of))) for of in (jobs.c.project, api_keys.c.project)]
    several = [first.scalar_subquery() < last.scalar_subquery() for first, last in ends]
    return any(connection.scalar(select(one)) for one in several)


def is_any_held(connection: Connection) -> bool:
    """Whether any upstream is."""
    return bool(connection.scalar(select(exists().where(holds.c.kind == HoldKind.UPSTREAM))))


def wrote_at(pace: str) -> float:
    """When a lane got text last, by its stored pace; 0 if nothing is known of that."""
    return _read(pace).wrote_at


def _read(pace: str | None) -> _Pace:
    try:
        return _PACE.decode(pace or "{}")
    except msgspec.DecodeError:  # it begins anew with the next turn
        return _Pace()

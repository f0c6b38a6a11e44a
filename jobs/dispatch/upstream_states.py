"""How each upstream is doing, read from the rows that all workers share."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import Connection, RowMapping, or_, select, tuple_

from jobs.dispatch.due import InFlight, count_in_flight
from jobs.dispatch.holds import Hold, HoldKind, find_holds
from jobs.dispatch.lane_rows import read_lane
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.pace.usage import LaneUsage, usage_of
from jobs.store.database import Database
from jobs.tables import lanes
from jobs.upstreams.spec import UpstreamSpec

_IN_USE_SECONDS = 3600.0
"""A model is no longer shown once nothing was heard of it for this long."""

_MOST_SHOWN = 100
"""So many models of all upstreams are shown: those that were used last."""


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model at one upstream, which has a pace for itself."""

    model: str
    running: int
    usage: LaneUsage
    first_delta_seconds: float | None


@dataclass(frozen=True, slots=True)
class ErrorState:
    """What went wrong last."""

    code: str
    at: datetime
    message: str | None


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """One upstream. None is unknown, and never 0."""

    hold: Hold | None
    running: int
    models: tuple[ModelState, ...]
    last_error: ErrorState | None
    first_delta_seconds: float | None
    """The median over its models."""


def read_upstream_states(
    database: Database, specs: Collection[UpstreamSpec], hint_seconds: float
) -> dict[str, UpstreamState]:
    now = database.now()
    with database.read() as connection:
        in_flight = count_in_flight(connection, now, hint_seconds)
        rows = _rows_in_use(connection, now, in_flight)
        errors = {spec.name: _last_error(connection, spec.name) for spec in specs}
        held = find_holds(connection)
    rows_of: defaultdict[str, list[RowMapping]] = defaultdict(list)
    for row in rows:
        rows_of[row["upstream"]].append(row)
    hold_of = {hold.target: hold for hold in held if hold.kind is HoldKind.UPSTREAM}
    moment = now.timestamp()
    return {
        spec.name: UpstreamState(
            hold=hold_of.get(spec.name),
            running=sum(counted.running for (name, _), counted in in_flight.items() if name == spec.name),
            models=tuple(_model(row, spec, in_flight, moment) for row in rows_of[spec.name]),
            last_error=errors[spec.name],
            first_delta_seconds=_median(row["first_delta_seconds"] for row in rows_of[spec.name]),
        )
        for spec in specs
    }


def _model(
    row: RowMapping, spec: UpstreamSpec, in_flight: Mapping[tuple[str, str], InFlight], moment: float
) -> ModelState:
    counted = in_flight.get((spec.name, row["model"]), InFlight())
    usage = read_lane(row, spec, moment).ask(usage_of, counted.total, moment)
    return ModelState(row["model"], counted.running, usage, row["first_delta_seconds"])


def _rows_in_use(connection: Connection, now: datetime, in_flight: Collection[tuple[str, str]]) -> list[RowMapping]:
    """The lanes that have something in flight or were used of late, `_MOST_SHOWN` at most: clients may name any number
    of models.
    """
    is_heard_of = lanes.c.updated_at > now - timedelta(seconds=_IN_USE_SECONDS)
    busy = tuple_(lanes.c.upstream, lanes.c.model).in_(list(in_flight)[:_MOST_SHOWN])
    wanted = select(lanes).where(lanes.c.model != ALL_MODELS, or_(busy, is_heard_of))
    latest = wanted.order_by(busy.desc(), lanes.c.updated_at.desc()).limit(_MOST_SHOWN)
    rows = connection.execute(latest).mappings().all()
    return sorted(rows, key=lambda row: (row["upstream"], row["model"]))


def _last_error(connection: Connection, upstream: str) -> ErrorState | None:
    failed = (lanes.c.upstream == upstream, lanes.c.model != ALL_MODELS, lanes.c.error_at.is_not(None))
    wanted = select(lanes.c.error_code, lanes.c.error_at, lanes.c.error_message).where(*failed)
    row = connection.execute(wanted.order_by(lanes.c.error_at.desc()).limit(1)).one_or_none()
    return ErrorState(*row) if row else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None

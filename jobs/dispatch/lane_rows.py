"""A lane's row: its lock, and the controller, the turns and the news in it."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cache
from logging import getLogger
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Update, bindparam, select, update

from jobs.dispatch.choice import LaneTurns
from jobs.dispatch.lane_news import LaneNews
from jobs.model.fair_turns import MOST_REMEMBERED
from jobs.pace.steady import SteadyLane
from jobs.store.database import insert_into
from jobs.tables import lanes
from jobs.upstreams import UpstreamSpec

log = getLogger(__name__)


def lock_lane(connection: Connection, key: tuple[str, str], now: datetime) -> RowMapping | None:
    """Lock a lane's row, which is made if need be, and read it. None: another process has it at this moment."""
    wanted, locked = _row_of()
    of_lane = {"of_upstream": key[0], "of_model": key[1]}
    row = connection.execute(locked, of_lane).mappings().one_or_none()
    if row is None and connection.execute(wanted, of_lane).first() is None:
        new = insert_into(connection, lanes).values(upstream=key[0], model=key[1], updated_at=now)
        connection.execute(new.on_conflict_do_nothing())
        row = connection.execute(locked, of_lane).mappings().one_or_none()
    return row


@cache
def _row_of() -> tuple[Select[Any], Select[Any]]:
    wanted = select(lanes).where(lanes.c.upstream == bindparam("of_upstream"), lanes.c.model == bindparam("of_model"))
    locked = wanted.with_for_update(skip_locked=True)
    return wanted, locked


def find_lanes(connection: Connection, models: Collection[str]) -> dict[tuple[str, str], RowMapping]:
    """The rows of these models' lanes, by upstream and model. The others are not read: every model that a client
    has ever named has one.
    """
    asked = {"models": list(models)}
    return {(row["upstream"], row["model"]): row for row in connection.execute(_of_models(), asked).mappings()}


@cache
def _of_models() -> Select[Any]:
    return select(lanes).where(lanes.c.model.in_(bindparam("models", expanding=True)))


def store_lane(connection: Connection, key: tuple[str, str], values: Mapping[str, Any]) -> None:
    of_lane = {"of_upstream": key[0], "of_model": key[1]}
    connection.execute(_storing(), {**of_lane, **values})


@cache
def _storing() -> Update:
    return update(lanes).where(lanes.c.upstream == bindparam("of_upstream"), lanes.c.model == bindparam("of_model"))


def read_lane(row: Mapping[str, Any] | RowMapping | None, spec: UpstreamSpec, moment: float) -> SteadyLane:
    """The controller in a lane's row; a new one where there is none, or one that cannot be read."""
    lane, stored = None, (row and row["pace"]) or ""
    name = f"{(row and row['model']) or 'all models'} at {spec.name}"
    if stored:
        try:
            lane = SteadyLane.from_json(json.loads(stored), spec.limits)
        except (ValueError, KeyError, TypeError, ArithmeticError):
            log.warning("the pace of %s cannot be read and begins anew", name)
    lane = lane or SteadyLane.new(spec.limits, moment)
    lane.name_it(name, stored, moment)
    return lane


def read_turns(row: RowMapping) -> LaneTurns:
    """Whose turn it is in this lane. If nobody can read it, it begins anew: nobody was served before."""
    try:
        stored = json.loads(row["turns"] or "{}")
        alone_at = {str(project): float(at) for project, at in stored.get("alone_at", {}).items()}
        return LaneTurns(stored.get("projects"), alone_at)
    except (ValueError, TypeError, AttributeError):
        log.warning("the turns of %s for %s cannot be read and begin anew", row["upstream"], row["model"])
        return LaneTurns()


def dump_turns(turns: LaneTurns) -> str:
    latest = sorted(turns.alone_at, key=lambda project: turns.alone_at[project])[-MOST_REMEMBERED:]
    before = {} if turns.before is None else {"projects": turns.before}
    return json.dumps(before | {"alone_at": {project: turns.alone_at[project] for project in latest}})


def news_columns(row: RowMapping, news: LaneNews) -> dict[str, Any]:
    """The columns that the news of a turn change."""
    noted: dict[str, Any] = {}
    if news.accepted_at is not None and (row["accepted_at"] is None or news.accepted_at > row["accepted_at"]):
        noted["accepted_at"] = news.accepted_at
    average = row["first_delta_seconds"]
    for seconds in news.first_delta_seconds:
        average = seconds if average is None else average + 0.1 * (seconds - average)
    return noted | {"first_delta_seconds": average}

"""Reserve: jobs are given to an upstream, one lane (an upstream and a model) at a time, in one short transaction.

Whoever dispatches locks the lane's row, counts what is in flight in it from the jobs' rows, and reserves as many jobs
as the pace allows: `upstream` and `hinted_at` are set on them. A claim takes only a reserved job, so it needs no lock
but that of its own row, and yet no lane ever runs more than its window. A reservation whose hint is lost is taken back
here, before anything is counted; a claim that comes later finds no reservation.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from logging import getLogger
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, RowMapping, and_, bindparam, not_, or_, select, update

from jobs.choice import Choosing, Chosen, LaneTurns
from jobs.database import Database, insert_into
from jobs.due import RESERVED, count_in_flight, is_due, is_fresh
from jobs.fair import MOST_REMEMBERED, Turns
from jobs.pace.lane import Lane
from jobs.pace.reports import Report
from jobs.pace.tables import lanes
from jobs.routes import Route
from jobs.tables import jobs

log = getLogger(__name__)

CHARACTERS_PER_TOKEN = 4
"""Of a request, whose tokens are only estimated: what its reservation took is settled when it ends."""

OTHER_UPSTREAM_SECONDS = 2.0
"""How long a job that failed at one upstream waits for another one to have room; then either may have it."""


@dataclass(slots=True)
class LaneNews:
    """What a process has seen of a lane and not yet written to its row."""

    reports: list[Report] = field(default_factory=list)
    ended: list[tuple[str, float]] = field(default_factory=list)
    """Of each attempt that ended, its project and how many seconds it had a stream."""
    accepted_at: datetime | None = None
    """When the latest request was sent that wrote a text."""
    first_delta_seconds: list[float] = field(default_factory=list)
    urgent: bool = False

    def add(self, other: "LaneNews") -> None:
        """Put back what could not be written."""
        self.reports[:0] = other.reports
        self.ended[:0] = other.ended
        self.first_delta_seconds[:0] = other.first_delta_seconds
        self.accepted_at = max(filter(None, (self.accepted_at, other.accepted_at)), default=None)
        self.urgent = self.urgent or other.urgent


@dataclass(frozen=True, slots=True)
class LaneWish:
    """What a process wants of a lane in this round."""

    route: Route
    model: str
    most: int
    """How many more jobs it can start."""
    projects: Sequence[str]
    """Those with jobs that wait."""
    most_crashes: int
    has_others: bool = False
    """Whether another upstream could take the model now, so that a retry can go there."""
    news: LaneNews = field(default_factory=LaneNews)
    held_batches: Sequence[str] = ()

    @property
    def key(self) -> tuple[str, str]:
        """The lane."""
        return self.route.name, self.model


@dataclass(frozen=True, slots=True)
class LaneTurn:
    """What became of it."""

    reserved: Sequence[Chosen]
    in_flight: int
    room: int
    """How many more the lane would have taken."""
    look_at: datetime
    """When the lane may have room again, at the latest."""


def take_lane_turn(
    database: Database, wish: LaneWish, weights: Mapping[str, float], hint_seconds: float
) -> LaneTurn | None:
    """Write the news of a lane and reserve its next jobs; the caller hints them. None: another process has the lane."""
    with database.write() as connection:
        row = _lock(connection, wish.key, database.now())
        if row is None:
            return None
        now = database.now()
        moment = now.timestamp()
        lane = read_lane(row, wish.route, moment)
        before = (row["pace"], row["turns"])
        turns = _read_turns(row)
        _take_back(connection, wish.key, lane, now, hint_seconds)
        counted = count_in_flight(connection, now, hint_seconds, wish.key).get(wish.key)
        in_flight = counted.total if counted else 0
        lane.apply(wish.news.reports, in_flight, moment)
        for project, seconds in wish.news.ended:
            turns.projects.learn(project, seconds)
        chosen = _choose(connection, wish, lane, turns, weights, in_flight, now)
        in_flight += len(chosen)
        after = (json.dumps(lane.to_json()), _dump_turns(turns))
        if after != before or wish.news.accepted_at is not None:
            connection.execute(
                update(lanes)
                .where(lanes.c.upstream == wish.key[0], lanes.c.model == wish.key[1])
                .values(pace=after[0], turns=after[1], updated_at=now, **_noted(row, wish.news))
            )
        look_at = datetime.fromtimestamp(lane.next_at(in_flight, moment), now.tzinfo)
        return LaneTurn(chosen, in_flight, lane.room(in_flight, moment), look_at)


def read_lane(row: Mapping[str, Any] | RowMapping | None, route: Route, moment: float) -> Lane:
    """The controller in a lane's row; a new one where there is none, or one that cannot be read."""
    if row is not None and row["pace"]:
        try:
            return Lane.from_json(json.loads(row["pace"]), route.limits)
        except ValueError:
            log.warning("the pace of %s for %s cannot be read and begins anew", row["upstream"], row["model"])
    return Lane.new(route.limits, moment)


def _lock(connection: Connection, key: tuple[str, str], now: datetime) -> RowMapping | None:
    wanted = select(lanes).where(lanes.c.upstream == key[0], lanes.c.model == key[1])
    locked = wanted.with_for_update(skip_locked=True)
    row = connection.execute(locked).mappings().one_or_none()
    if row is None and connection.execute(wanted).first() is None:
        new = insert_into(connection, lanes).values(upstream=key[0], model=key[1], updated_at=now)
        connection.execute(new.on_conflict_do_nothing())
        row = connection.execute(locked).mappings().one_or_none()
    return row


def _take_back(connection: Connection, key: tuple[str, str], lane: Lane, now: datetime, hint_seconds: float) -> None:
    """Take back the reservations whose hints were lost or refused. A claim under way comes first or finds none."""
    void = and_(RESERVED, jobs.c.upstream == key[0], jobs.c.model == key[1], not_(is_fresh(now, hint_seconds)))
    rows = connection.execute(
        select(jobs.c.id, jobs.c.reserved_tokens).where(void).order_by(jobs.c.id).with_for_update(skip_locked=True)
    ).all()
    if not rows:
        return
    ids = [row.id for row in rows]
    connection.execute(
        update(jobs).where(jobs.c.id.in_(ids), RESERVED).values(upstream=None, hinted_at=None, reserved_tokens=None)
    )
    for row in rows:
        lane.release(row.reserved_tokens or 0, now.timestamp())


def _choose(
    connection: Connection,
    wish: LaneWish,
    lane: Lane,
    turns: LaneTurns,
    weights: Mapping[str, float],
    in_flight: int,
    now: datetime,
) -> list[Chosen]:
    moment = now.timestamp()
    room = min(wish.most, lane.room(in_flight, moment))
    if room <= 0 or not wish.projects:
        return []
    may_start = and_(is_due(now), _may_go_to(wish, now), jobs.c.crashes <= wish.most_crashes)
    choosing = Choosing(connection, wish.model, may_start, turns, now, held_batches=wish.held_batches)
    candidates = list(choosing.choose(wish.projects, weights, room))
    if not candidates:
        return []
    # Locked by id, as everybody does who takes many rows. Those that another process has locked are not free.
    free = select(jobs.c.id, jobs.c.request).where(jobs.c.id.in_([one.id for one in candidates]), may_start)
    rows = connection.execute(free.order_by(jobs.c.id).with_for_update(skip_locked=True))
    tokens = {row.id: _estimate_tokens(row.request, lane) for row in rows}
    chosen = []
    for one in candidates:
        if one.id in tokens:
            if lane.reserve(tokens[one.id], moment) is None:
                break
            chosen.append(one)
    if chosen:
        of_id: BindParameter[str] = bindparam("of_id")
        reserved = update(jobs).where(jobs.c.id == of_id, jobs.c.upstream.is_(None))
        connection.execute(
            reserved.values(upstream=wish.route.name, hinted_at=now, reserved_tokens=bindparam("of_tokens")),
            [{"of_id": one.id, "of_tokens": tokens[one.id]} for one in chosen],
        )
        choosing.note_served(chosen)
    return chosen


def _may_go_to(wish: LaneWish, now: datetime) -> ColumnElement[bool]:
    """Whether this upstream may have a job: nobody has it, it names no other, and a retry prefers another one."""
    name = wish.route.name
    free = and_(jobs.c.upstream.is_(None), or_(jobs.c.only_upstream.is_(None), jobs.c.only_upstream == name))
    if not wish.has_others:
        return free
    waited = jobs.c.due_at <= now - timedelta(seconds=OTHER_UPSTREAM_SECONDS)
    elsewhere = or_(jobs.c.last_upstream.is_(None), jobs.c.last_upstream != name)
    return and_(free, or_(elsewhere, jobs.c.only_upstream == name, waited))


def _estimate_tokens(request: str, lane: Lane) -> int:
    asked = json.loads(request)
    output = asked.get("max_completion_tokens") or asked.get("max_tokens")
    return len(request) // CHARACTERS_PER_TOKEN + (output if isinstance(output, int) else lane.estimate_output())


def _read_turns(row: RowMapping) -> LaneTurns:
    stored = json.loads(row["turns"]) if row["turns"] else {}
    return LaneTurns(Turns.from_json(stored.get("projects", {})), stored.get("alone_at", {}))


def _dump_turns(turns: LaneTurns) -> str:
    latest = sorted(turns.alone_at, key=lambda project: turns.alone_at[project])[-MOST_REMEMBERED:]
    return json.dumps(
        {"projects": turns.projects.as_json(), "alone_at": {project: turns.alone_at[project] for project in latest}}
    )


def _noted(row: RowMapping, news: LaneNews) -> dict[str, Any]:
    noted: dict[str, Any] = {}
    if news.accepted_at is not None and (row["accepted_at"] is None or news.accepted_at > row["accepted_at"]):
        noted["accepted_at"] = news.accepted_at
    average = row["first_delta_seconds"]
    for seconds in news.first_delta_seconds:
        average = seconds if average is None else average + 0.1 * (seconds - average)
    return noted | {"first_delta_seconds": average}

"""Whose turn it is at each upstream, of all its models, for all processes: kept in the row of the upstream.

A round reads the turns as they are and gives its streams out by them. What it gave, and what the turns that have ended
cost, it writes at its end, so no turn of a lane waits for this row. Two processes that read the same row may both give
the next stream to the same project; then it waits so much longer for the one after.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import Connection, RowMapping

from jobs.dispatch.due_lanes import DueLanes
from jobs.dispatch.lane_news import LaneTurn, LaneWish
from jobs.dispatch.lane_rows import lock_lane, store_lane
from jobs.dispatch.running_turns import RunningTurns
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.model.fair_turns import Turns
from jobs.store.database import DATABASE_ERRORS, Database

STREAMS_SECONDS = 300.0
"""The streams of a process count for so long after it wrote here last."""

MOST_AHEAD_SECONDS = 3600.0
"""No project is further ahead of the one that is next than by what all streams are in so long. Else one whose turns a
version before has charged for a step of the clock waits as long as the step was.
"""

ALONE_SECONDS = 1.0
"""Where one project has all turns, they are written no more often than this."""


_Streams = Mapping[str, tuple[int, float]]
"""How many each process has, and when it said so."""


class _Note(NamedTuple):
    """A turn that a project had, or that is over."""

    project: str
    cost: float
    weight: float
    is_over: bool
    others: tuple[str, ...] = ()
    """Those that waited for the same turn."""


class _Lost(NamedTuple):
    """A project whose turns are more than it can have: nobody will report what some have cost."""

    project: str
    most: float


class UpstreamTurns:
    """Used by the rounds of one process."""

    def __init__(self, database: Database, due: DueLanes) -> None:
        self._database = database
        self._due = due
        self._process = uuid4().hex[:12]
        self._most_free = 0
        self._turns: dict[str, Turns] = {}
        self._streams: dict[str, int] = {}
        self._notes: dict[str, list[_Note | _Lost]] = {}
        self._running = RunningTurns(database)
        self._late: dict[tuple[str, str], float] = {}
        """By how much the turns of each project at each upstream last longer already than was expected, by its weight.
        Not stored: their end settles it, and a text whose worker was killed has no end.
        """
        self._stored_at: dict[str, float] = {}

    def read(self, rows: Mapping[tuple[str, str], RowMapping], free: int) -> None:
        """Begin a round with the turns as these rows have them, and with what is not written yet."""
        self._most_free = max(self._most_free, free)
        now = self._database.now().timestamp()
        self._turns, self._streams = {}, {}
        for (name, model), row in rows.items():
            if model == ALL_MODELS:
                self._turns[name], known = _read(row)
                self._streams[name] = sum(count for count, _ in self._others(known, now).values())
        for name, notes in self._notes.items():
            _apply(self._turns.setdefault(name, Turns()), notes)

    def put_off_late(self, weights: Mapping[str, float]) -> dict[str, list[float]] | None:
        """Turns that are not over cost as much at least as they last already. For how long those of each project do, if
        this was the time to look.
        """
        seconds = self._running.look(self._turns)
        if seconds is not None:
            self._late = {
                (name, project): self._turns[name].lateness(project, some) / weights.get(project, 1.0)
                for (name, project), some in seconds.items()
            }
            for (name, project), most in self._running.find_lost(self._turns).items():
                self._note(name, _Lost(project, most))
        for (name, project), late in self._late.items():
            if name in self._turns:
                self._turns[name].put_off(project, late)
        if seconds is None:
            return None
        running: dict[str, list[float]] = {}
        for (_, project), some in seconds.items():
            running.setdefault(project, []).extend(some)
        return running

    def streams(self, upstream: str) -> int:
        """How many streams all processes have that use it."""
        return self._streams.get(upstream, 0) + self._most_free

    def continued(self, upstream: str) -> set[str]:
        """The projects with texts there that may go on in parts, in any process."""
        return {project for name, project in self._running.continued if name == upstream}

    def continued_texts(self, upstream: str, project: str) -> float:
        """How many texts of the project there may go on in parts, in all processes. Before the first look at them, all
        its turns that are not over; at least one.
        """
        if (found := self._running.continued[upstream, project]) or upstream not in self._turns:
            return max(1, found)
        return self._turns[upstream].open_turns(project)

    def in_order(self, upstream: str, projects: Iterable[str]) -> list[str]:
        """These, the one that is next first."""
        return sorted(projects, key=partial(Ahead(self._turns, self._due).place, upstream))

    def look_ahead(self) -> "Ahead":
        """The same turns, to give streams out by."""
        return Ahead({name: turns.copy() for name, turns in self._turns.items()}, self._due)

    def note(self, wish: LaneWish, turn: LaneTurn, weights: Mapping[str, float], others: Iterable[str]) -> None:
        """Who had a turn in a lane, and what those have cost that are over."""
        name = wish.spec.name
        for project, cost in turn.ended:
            self.learn(name, project, cost, weights.get(project, 1.0))
        for job, cost in zip(turn.reserved, turn.costs, strict=True):
            self.take(name, job.project, weights.get(job.project, 1.0), cost, others)

    def take(self, upstream: str, project: str, weight: float, at_least: float, others: Iterable[str]) -> None:
        """A job of the project was reserved there."""
        able = tuple(other for other in others if self._due.has_due(other, upstream))
        self._note(upstream, _Note(project, at_least, weight, is_over=False, others=able))

    def learn(self, upstream: str, project: str, cost: float, weight: float) -> None:
        """A turn is over."""
        late = self._late.get((upstream, project), 0.0)
        if late and upstream in self._turns:  # from now on its cost says it
            settled = min(late, self._turns[upstream].lateness(project, [cost]) / weight)
            self._late[upstream, project] = late - settled
            self._turns[upstream].put_off(project, -settled)
        self._note(upstream, _Note(project, cost, weight, is_over=True))

    def store(self, waiting: Mapping[str, Iterable[str]]) -> None:
        """Write what is new, unless another process has the row. `waiting`: the projects that wait, by model."""
        now = self._database.now()
        is_nobody = not any(waiting.values())
        for name in [name for name, notes in self._notes.items() if notes and self._is_due(name, now)]:
            # Without the database the notes wait for the next round. What this one has reserved must be hinted now.
            with suppress(*DATABASE_ERRORS):
                with self._database.write() as connection:
                    is_written = self._write(connection, name, now, is_nobody=is_nobody)
                if is_written:
                    del self._notes[name]
                    self._stored_at[name] = now.timestamp()

    def _note(self, upstream: str, note: _Note | _Lost) -> None:
        self._notes.setdefault(upstream, []).append(note)
        _apply(self._turns.setdefault(upstream, Turns()), [note])

    def _is_due(self, name: str, now: datetime) -> bool:
        elapsed = now.timestamp() - self._stored_at.get(name, 0.0)
        return not 0 <= elapsed < ALONE_SECONDS or self._turns[name].has_several()

    def _write(self, connection: Connection, name: str, now: datetime, *, is_nobody: bool) -> bool:
        row = lock_lane(connection, (name, ALL_MODELS), now)
        if row is None:
            return False
        turns, known = _read(row)
        _apply(turns, self._notes[name])
        if is_nobody:
            turns.catch_up()
        moment = now.timestamp()
        streams = {**self._others(known, moment), self._process: (self._most_free, moment)}
        turns.limit_lead(MOST_AHEAD_SECONDS * max(1, sum(count for count, _ in streams.values())))
        store_lane(
            connection, (name, ALL_MODELS), {"turns": json.dumps({"projects": turns.as_json(), "streams": streams})}
        )
        return True

    def _others(self, streams: _Streams, moment: float) -> _Streams:
        return {
            process: (count, at)
            for process, (count, at) in streams.items()
            if process != self._process and moment - at < STREAMS_SECONDS
        }


class Ahead:
    """The turns of all upstreams as they will be once what a round gives out is taken."""

    def __init__(self, turns: dict[str, Turns], due: DueLanes) -> None:
        self._turns = turns
        self._due = due

    def place(self, upstream: str, project: str) -> tuple[float, bool, float]:
        """The smallest is next. Who seems to have nothing due pays for no turn, so it must not be first for that."""
        start, time = self._turns.setdefault(upstream, Turns()).place(project)
        return start, not self._due.has_due(project, upstream), time

    def take(self, upstream: str, project: str, weight: float) -> None:
        self._turns.setdefault(upstream, Turns()).take(project, weight)


def _read(row: RowMapping) -> tuple[Turns, _Streams]:
    """What is stored. If nobody can read it, it begins anew: no project is ahead then."""
    try:
        stored = json.loads(row["turns"] or "{}")
        streams = {str(process): (int(count), float(at)) for process, (count, at) in stored.get("streams", {}).items()}
        return Turns.from_json(stored.get("projects", {})), streams
    except (ValueError, TypeError, AttributeError):
        return Turns(), {}


def _apply(turns: Turns, notes: Iterable[_Note | _Lost]) -> None:
    for note in notes:
        if isinstance(note, _Lost):
            turns.forget_open(*note)
        elif note.is_over:
            turns.learn(note.project, note.cost, note.weight)
        else:
            turns.take(note.project, note.weight, note.cost, others=note.others)

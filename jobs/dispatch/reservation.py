"""Reserve: jobs are given to an upstream, one lane (an upstream and a model) at a time, in one short transaction.

Dispatch locks the lane's row, counts what is in flight in it from the jobs' rows, and reserves as many jobs
as the pace allows: `upstream` and `hinted_at` are set on them. A claim takes only a reserved job, so it needs no lock
but that of its own row, and yet no lane ever runs more than its window. A reservation whose hint is lost is taken back
here, before anything is counted; a claim that comes later finds no reservation.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, Update, and_, bindparam, select, true, update

from jobs.dispatch.behind_others import find_groups
from jobs.dispatch.choice import Choosing, Chosen
from jobs.dispatch.due import BY_ID, RESERVED, InFlight, count_in_flight, is_fresh
from jobs.dispatch.holds import find_holds
from jobs.dispatch.lane_news import Held, LaneTurn, LaneWish
from jobs.dispatch.lane_rows import dump_turns, lock_lane, news_columns, read_lane, read_turns, store_lane
from jobs.dispatch.start_rule import Rather, StartRule, start_values
from jobs.dispatch.turn_costs import TurnCosts
from jobs.dispatch.upstream_holds import begin_probe, end_probe, lift_hold, name_probe
from jobs.dispatch.upstream_total import ALL_MODELS, UpstreamTotal, is_limited
from jobs.pace.lane import Lane
from jobs.pace.reports import Refused
from jobs.store.database import Database
from jobs.store.job_requests import LongRequest, find_most_output, read_long_requests, short_request
from jobs.tables import jobs

CHARACTERS_PER_TOKEN = 4
"""Of a request, whose tokens are only estimated: what its reservation took is settled when it ends."""

LEAD_SECONDS = 0.1
"""How far ahead a request may be planned: its job is claimed at once, and its worker sends it at its time."""

PROBE_AGAIN_SECONDS = 1.0
"""When a probe is due and the lane has no job for it."""


def take_lane_turn(database: Database, wish: LaneWish, hint_seconds: float) -> LaneTurn | None:
    """Write the news of a lane and reserve its next jobs; the caller hints them. None: another process has the lane."""
    with database.write() as connection:
        limited, name = is_limited(wish.spec), wish.spec.name
        row_of_all = lock_lane(connection, (name, ALL_MODELS), database.now()) if limited else None
        if limited and row_of_all is None:
            return None
        row = lock_lane(connection, wish.key, database.now())
        if row is None:
            return None
        now = database.now()
        in_flight = count_in_flight(connection, now, hint_seconds, name, None if limited else wish.model)
        total = UpstreamTotal.of(row_of_all, wish.spec, in_flight, now.timestamp(), in_turn=True)
        turn = _Turn(connection, wish, row, total, now)
        return turn.take(hint_seconds, in_flight.get(wish.key, InFlight()))


class _Turn:
    """One turn, in the transaction that has locked the lane's row."""

    def __init__(
        self, connection: Connection, wish: LaneWish, row: RowMapping, total: UpstreamTotal, now: datetime
    ) -> None:
        self._connection = connection
        self._wish = wish
        self._row = row
        self._total = total
        self._now = now
        self._moment = now.timestamp()
        self._lane = read_lane(row, wish.spec, self._moment)
        self._turns = read_turns(row)
        self._in_flight = 0
        self._tokens_needed: int | None = None
        """By the next job, which waits for them."""
        self._is_short_of_all = False
        self._costs: Sequence[float] = ()

    def take(self, hint_seconds: float, counted: InFlight) -> LaneTurn:
        wish, lane, moment = self._wish, self._lane, self._moment
        lost_at = self._now - timedelta(seconds=hint_seconds)
        taken_back = self._take_back(~is_fresh(lost_at)) if counted.void else []
        for job_id in taken_back:  # if it was a probe, another one goes
            end_probe(self._connection, wish.key[0], job_id, self._now)
        # A reservation that was not taken back although it counts no more is locked: a claim has it at this moment.
        self._in_flight = counted.total + counted.void - len(taken_back)
        lane.apply(wish.news.reports, self._in_flight, moment)
        self._total.apply(wish.news.reports)
        if any(isinstance(report, Refused) and report.retry_after_seconds for report in wish.news.reports):
            # What was reserved before the upstream said so and is not on its way yet does not go.
            returned = self._take_back(true())
            self._in_flight -= len(returned)
            taken_back += returned
        costs = TurnCosts.of(lane, self._total.lane, moment, wish.streams)
        ended = [(one.project, costs.of_ended(one)) for one in wish.news.ended]
        lifted = lift_hold(self._connection, wish.key[0], wish.news.accepted_at, wish.news.proved_at)
        held = Held.of(find_holds(self._connection), wish.key)
        restarts = bool(self._row["restart"]) and held.upstream is None
        if restarts:
            lane.restart(moment, counted.running)
        chosen = self._choose_probe(held) if held.upstream is not None else self._choose(held)
        self._in_flight += len(chosen)
        room = min(lane.room(self._in_flight, moment, LEAD_SECONDS), self._total.room(LEAD_SECONDS))
        room = room if (needed := self._tokens_needed) is None else 0
        if chosen or taken_back or restarts or wish.news.is_something or (wish.projects and min(room, wish.most) <= 0):
            self._store(restarts=restarts)
        next_at = max(lane.next_at(self._in_flight, moment, needed), self._total.next_at(needed))
        look_at = datetime.fromtimestamp(next_at, self._now.tzinfo)
        prices = costs if lane.state.is_short(moment) else None, self._total.prices(wish.streams)
        told = self._is_short_of_all, lifted, *prices, (lane, self._total.lane)
        return LaneTurn(chosen, self._in_flight, room, look_at, self._costs, ended, *told)

    def _store(self, *, restarts: bool) -> None:
        noted = news_columns(self._row, self._wish.news) | ({"restart": False} if restarts else {})
        self._lane.state.note_accepted(self._wish.news.accepted_at, self._wish.news.address_mark)
        self._lane.state.note_text(self._wish.news.wrote_at)  # after a restart: a first word says nothing of others
        kept = {"pace": json.dumps(self._lane.to_json()), "turns": dump_turns(self._turns), "updated_at": self._now}
        store_lane(self._connection, self._wish.key, kept | noted)
        self._total.store(self._connection, self._wish.key[0], self._now)

    def _take_back(self, which: ColumnElement[bool]) -> list[str]:
        """Take back reservations whose hints were lost or refused. A claim under way comes first or finds none."""
        of_lane = and_(RESERVED, jobs.c.upstream == self._wish.key[0], jobs.c.model == self._wish.key[1])
        some = select(jobs.c.id, jobs.c.reserved_tokens).where(of_lane, which).order_by(jobs.c.id)
        rows = self._connection.execute(some.with_for_update(skip_locked=True)).all()
        if rows:
            free = {"upstream": None, "hinted_at": None, "reserved_tokens": None}
            taken = update(jobs).with_hint(**BY_ID).where(jobs.c.id.in_([row.id for row in rows]), RESERVED)
            self._connection.execute(taken.values(**free))
        for row in rows:
            self._lane.release(row.reserved_tokens or 0, self._moment)
            self._total.release(row.reserved_tokens or 0)
        return [row.id for row in rows]

    def _choose(self, held: Held) -> list[Chosen]:
        wish, lane = self._wish, self._lane
        room = min(wish.most, lane.room(self._in_flight, self._moment, LEAD_SECONDS), self._total.room(LEAD_SECONDS))
        if room <= 0 or held.model:
            return []
        projects = [project for project in wish.projects if project not in held.projects]
        chosen: list[Chosen] = []
        for group in find_groups(self._connection, wish.key, lane.state, projects, self._moment):
            if not chosen and self._tokens_needed is None:
                chosen = self._reserve(held, group, room)
        return chosen

    def _choose_probe(self, held: Held) -> list[Chosen]:
        """One job, if a probe of the held upstream is due: rather one that it has not failed on, of a project that was
        not refused the same.
        """
        name, now = self._wish.key[0], self._now
        projects = [project for project in self._wish.projects if project not in held.projects]
        if self._wish.most <= 0 or not projects or held.model:
            return []
        if held.upstream is None or not held.upstream.may_probe(projects, now):
            return []
        hold = begin_probe(self._connection, name, projects, now)
        if hold is None or hold.probe_at is None:
            return []
        chosen: list[Chosen] = []
        is_early = hold.probe_at > now
        refused = hold.refused_projects
        groups = [[project for project in projects if project not in some] for some in (refused, refused[-1:], ())]
        ranks = product(groups[: 1 if is_early else None], (Rather.NOT_REFUSED, Rather.NOT_LAST, Rather.ANY))
        most = self._wish.spec.limits.max_streams
        if most is None or self._total.in_flight < most:  # else it goes when a stream has ended
            for group, rather in ranks:
                chosen = self._reserve(held, group, 1, rather, paced=False) if group else []
                if chosen:
                    break
        again_at = hold.probe_at if is_early else now + timedelta(seconds=PROBE_AGAIN_SECONDS)
        name_probe(self._connection, name, chosen[0].id if chosen else None, again_at)
        return chosen

    def _reserve(
        self,
        held: Held,
        projects: Sequence[str],
        room: int,
        rather: Rather = Rather.ANY,
        *,
        paced: bool = True,
    ) -> list[Chosen]:
        connection, wish, now = self._connection, self._wish, self._now
        rule = StartRule(wish.has_others, rather)
        last_probe = held.upstream.last_probe if held.upstream is not None else None
        values = start_values(now, wish.spec.name, wish.most_crashes, last_probe)
        choosing = Choosing(connection, wish.model, rule, values, self._turns, now)
        candidates = list(choosing.choose(wish.grants, projects, room))
        if not candidates:
            return []
        # Locked by id, as everybody does who takes many rows. Those that another process has locked are not free.
        rows = connection.execute(_free_jobs(rule), {**values, "ids": [job.id for job in candidates]}).all()
        long = read_long_requests(connection, [row.id for row in rows if not row.request])
        estimates = {row.id: _estimate_tokens(row.request, long.get(row.id), self._lane) for row in rows}
        chosen: list[Chosen] = []
        places: list[dict[str, Any]] = []
        for job in candidates:
            if job.id not in estimates:
                continue
            tokens = self._lane.expect(estimates[job.id], self._moment)
            send_at = self._take_place(tokens, estimates[job.id])
            if send_at is None and paced:
                self._tokens_needed = tokens
                break
            taken = 0 if send_at is None else tokens  # of a probe that goes although there is no room
            at = now if send_at is None else datetime.fromtimestamp(max(send_at, self._moment), now.tzinfo)
            chosen.append(job)
            places.append({"of_id": job.id, "of_tokens": taken, "at": at, "of_upstream": wish.spec.name})
        if chosen:
            connection.execute(_reserving(), places)
            costs = TurnCosts.of(self._lane, self._total.lane, self._moment, wish.streams)
            self._costs = [costs.of_used(one["of_tokens"], requests=1) for one in places]
            choosing.note_served(chosen)
        return chosen

    def _take_place(self, tokens: int, estimated: int) -> float | None:
        """Take a request and its tokens from the upstream's limits and the lane's; when it may be sent."""
        of_all = self._total.reserve(tokens, LEAD_SECONDS, estimated)
        if of_all is None:
            self._is_short_of_all = True
            return None
        send_at = self._lane.reserve(tokens, self._moment, LEAD_SECONDS, estimated)
        if send_at is None:
            self._total.release(tokens)
            return None
        return max(of_all, send_at)


@cache
def _free_jobs(rule: StartRule) -> Select[Any]:
    some = select(jobs.c.id, short_request()).where(jobs.c.id.in_(bindparam("ids", expanding=True)), rule.holds())
    return some.with_hint(jobs, **BY_ID).order_by(jobs.c.id).with_for_update(skip_locked=True)


@cache
def _reserving() -> Update:
    free = update(jobs).where(jobs.c.id == bindparam("of_id"), jobs.c.upstream.is_(None))
    place: dict[str, Any] = {"hinted_at": bindparam("at"), "reserved_tokens": bindparam("of_tokens")}
    return free.values(upstream=bindparam("of_upstream"), **place)


def _estimate_tokens(request: str, long: LongRequest | None, lane: Lane) -> int:
    """A long request is not read for it: everybody who writes waits for this transaction."""
    if long is None:
        size, most_output = len(request), find_most_output(json.loads(request))
    else:
        size, most_output = long.request_bytes, long.most_output
    return size // CHARACTERS_PER_TOKEN + lane.estimate_output(most_output)

"""Which of the parts that wait has the next place."""

from collections.abc import Iterable

import pytest

from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.part_queues import LastRequest, WaitingPart
from jobs.dispatch.turn_costs import STILL_SHORT_SECONDS, Short, TurnCosts
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.pace.reports import Refused, Unplanned
from jobs.store.database import Database
from tests.store.reserving import HINT_SECONDS, lanes_of, upstream
from tests.store.store_fixtures import Store

LARGE, SMALL = 4000, 100
"""Tokens of parts, where 985 a second are used."""


class Waiting:
    """The parts of a process that wait; in each step, those that are ready last ask first."""

    def __init__(self, database: Database, *models: str) -> None:
        self.store = Store(database)
        self.lanes = lanes_of(self.store.database, HINT_SECONDS, upstream("default", tokens_per_minute=60_000))
        self.parts = self.lanes.parts
        for model in models:
            assert self.lanes.write_news(("default", model))

    def join(self, tokens: int, project: str = "mine", model: str = "m1") -> WaitingPart:
        part = WaitingPart(("default", model), project, tokens, LastRequest(tokens), self.now())
        self.parts.waiting.join(part)
        self.store.clock.advance(0.001)
        return part

    def first_of(self, *some: WaitingPart, seconds: float = 30.0) -> WaitingPart | None:
        """Which of these has a place first."""
        return next(iter(self.places(some, seconds)), None)

    def places(self, some: Iterable[WaitingPart], seconds: float) -> Iterable[WaitingPart]:
        left = list(some)
        for _ in range(round(seconds / 0.05)):
            for part in left[::-1]:
                if self.parts.book(part).is_booked:
                    self.parts.waiting.leave(part)
                    left.remove(part)
                    yield part
            self.store.clock.advance(0.05)

    def be_short(self) -> None:
        """Others wait for tokens: the share of each of two is a half, so that 1,000 tokens take two seconds of it."""
        costs = TurnCosts(of_token=0.01, of_request=0.0, streams=10.0)
        short = Short(costs, frozenset({"mine", "others"}), {}, self.now())
        self.parts._short = {("default", ALL_MODELS): short}

    def now(self) -> float:
        return self.store.clock.now.timestamp()


@pytest.mark.parametrize("project", ["mine", "others"])
@pytest.mark.parametrize("model", ["m1", "m2"])
def test_small_parts_let_a_large_one_go_first_that_was_ready_before(
    sqlite_database: Database, model: str, project: str
) -> None:
    """Before, whatever tokens came in were taken by the small ones, as the large one needs more at once."""
    waiting = Waiting(sqlite_database, "m1", "m2")
    assert list(waiting.places([waiting.join(LARGE)], 0.05)), "it leaves a debt"
    large = waiting.join(LARGE)
    assert not waiting.parts.book(large).is_booked
    small = [waiting.join(SMALL, project, model) for _ in range(100)]
    assert waiting.first_of(large, *small) is large


def test_a_part_whose_model_is_paused_keeps_no_other_model_waiting(sqlite_database: Database) -> None:
    waiting = Waiting(sqlite_database, "m1", "m2")
    now = waiting.now()
    waiting.lanes.note(("default", "m1"), LaneNews([Refused(now, now, 600.0, 1), Refused(now, now, 600.0, 1)]))
    assert waiting.lanes.write_news(("default", "m1"))
    paused = waiting.join(SMALL)
    assert not waiting.parts.book(paused).is_booked
    other = waiting.join(SMALL, model="m2")
    assert waiting.first_of(paused, other, seconds=0.1) is other


def test_a_text_that_is_stopped_while_its_part_waits_keeps_nobody_waiting(sqlite_database: Database) -> None:
    waiting = Waiting(sqlite_database, "m1")
    assert list(waiting.places([waiting.join(LARGE)], 0.05))
    first, second = waiting.join(LARGE), waiting.join(SMALL)
    assert not waiting.parts.book(first).is_booked
    waiting.parts.waiting.leave(first)
    assert waiting.first_of(second) is second
    assert len(waiting.parts.waiting) == 0


@pytest.mark.parametrize("model", ["m1", "m2"])
def test_a_part_waits_until_its_project_has_paid_for_the_last_one(sqlite_database: Database, model: str) -> None:
    """Before, it waited for as long as its own cost."""
    waiting = Waiting(sqlite_database, "m1", "m2")
    waiting.be_short()
    assert list(waiting.places([waiting.join(1000)], 0.05))
    began = waiting.now()
    large, small = waiting.join(LARGE, model=model), waiting.join(SMALL)
    waiting.store.clock.advance(1.0)
    assert not waiting.parts.book(small).is_booked
    assert not waiting.parts.book(large).is_booked
    waiting.be_short()
    assert waiting.first_of(large, small, seconds=4.0) is large
    assert 1.5 <= waiting.now() - began <= 2.5


def test_nobody_owes_what_no_one_waits_for(sqlite_database: Database) -> None:
    waiting = Waiting(sqlite_database, "m1")
    waiting.be_short()
    assert list(waiting.places([waiting.join(20_000)], 0.05)), "which is 40 s of its share"
    waiting.store.clock.advance(STILL_SHORT_SECONDS)
    assert list(waiting.places([waiting.join(SMALL)], 20.0)), "once the tokens are there again"
    waiting.be_short()
    assert list(waiting.places([waiting.join(SMALL)], 1.0))


@pytest.mark.parametrize("is_short", [True, False])
def test_parts_that_wait_while_the_clock_is_set_back_go_as_before(sqlite_database: Database, is_short: bool) -> None:
    """PostgreSQL's clock is taken as it is. Before, they waited for as long as it was set back."""
    waiting = Waiting(sqlite_database)
    if is_short:
        waiting.be_short()
    parts = [waiting.join(SMALL) for _ in range(4)]
    assert len(list(waiting.places(parts, 0.05))) >= 1
    left = [part for part in parts if part in waiting.parts.waiting.ahead_of(waiting.join(SMALL))]
    waiting.store.clock.advance(-3600)
    if is_short:
        waiting.be_short()
    assert len(list(waiting.places(left, 10.0))) == len(left)


def test_small_parts_make_up_for_the_time_in_which_another_process_had_all_tokens(sqlite_database: Database) -> None:
    """Before, they lost all of their share of that time but half a second."""
    waiting = Waiting(sqlite_database, "m1")
    waiting.be_short()
    assert list(waiting.places([waiting.join(SMALL)], 0.05))
    small = [waiting.join(SMALL) for _ in range(60)]
    large = waiting.join(LARGE, "others")
    large.last.sent_at = waiting.now()
    waiting.lanes.note(("default", "m1"), LaneNews([Unplanned(waiting.now(), 10_000)]))
    assert waiting.lanes.write_news(("default", "m1"))
    while not (went := list(waiting.places([large, *small], 0.5))):
        waiting.be_short()
    for _ in range(6):
        waiting.be_short()
        went += waiting.places([part for part in (large, *small) if part not in went], 0.5)
    assert large not in went
    assert len(went) >= 20

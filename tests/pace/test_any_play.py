"""Whatever an upstream does, its lane answers, and goes on when the upstream is well."""

import random
from collections.abc import Iterator

import pytest

from jobs.pace.lane import Lane
from jobs.pace.reports import Accepted, Finished, LaneLimits, Refused, Report

LEAD_SECONDS = 0.1
LIMITS = [LaneLimits(), LaneLimits(max_streams=3, requests_per_minute=90), LaneLimits(tokens_per_minute=20_000)]


class Play:
    """A lane alone, of an upstream that is well and refuses all by turns, on a clock that rests and steps."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now, self.stepping = 1000.0, 0.001
        self.limits = self.dice.choice(LIMITS)
        self.lane = Lane.new(self.limits, self.now)
        self.planned: list[float] = []
        self.running: list[tuple[float, float]] = []
        self.is_well, self.changes_at = True, 0.0
        self.retry_after: float | None = None
        self.lasts, self.most = self.dice.choice([0.5, 1.0, 5.0]), self.dice.choice([2, 10, 20])

    def steps(self, until: float) -> Iterator[float]:
        """Turn after turn; each gives how long the lane pauses then."""
        while self.now < until:
            state = self.lane.state
            pauses = not self.planned and self.now < state.paused_until - 0.5
            self.now += self.dice.choice([0.5, 2.0]) if pauses else self.dice.choice([0.02, 0.04, 0.06, 0.3])
            if self.dice.random() < self.stepping:
                self.now += self.dice.choice([-5.0, 5.0, 30.0])  # it stepped, or the worker slept
            self._turn()
            yield state.paused_until - self.now

    def _turn(self) -> None:
        if self.now >= self.changes_at:
            self.is_well = not self.is_well
            self.retry_after = self.dice.choice([None, 0.0, 1.0, 3.0, 11.0, 20.0, 60.0, 120.0])
            self.changes_at = self.now + self.dice.choice([5.0, 20.0, 3.2 * (self.retry_after or 1.0)])
        news: list[Report] = []
        for at in [at for at in self.planned if at <= self.now]:
            self.planned.remove(at)
            if self.is_well:
                self.running.append((at, self.now + self.lasts))
                news.append(Accepted(at, self.now, 0.05, len(self.running)))
            else:
                news.append(Refused(at, self.now, self.retry_after, len(self.running) + 1, 50))
        for sent_at, ends_at in [one for one in self.running if one[1] <= self.now]:
            self.running.remove((sent_at, ends_at))
            news.append(Finished(sent_at, self.now, 50, 50, 40))
        self.dice.shuffle(news)
        self._tell(news)

    def _tell(self, news: list[Report]) -> None:
        lane, now, in_flight = self.lane, self.now, len(self.running) + len(self.planned)
        lane.apply(news, in_flight, now)
        if any(isinstance(report, Refused) and report.retry_after_seconds for report in news):
            for _ in self.planned:
                lane.release(50, now)
            self.planned.clear()
            in_flight = len(self.running)
        lane.limited_by(in_flight, now)
        known = len(self.planned)
        while in_flight < self.most and lane.room(in_flight, now, LEAD_SECONDS) > 0:
            at = lane.reserve(lane.expect(50, now), now, LEAD_SECONDS, 50)
            if at is None:
                break
            self.planned.append(at)
            in_flight += 1
        assert lane.next_at(in_flight, now) <= now + 1.0
        if news or len(self.planned) != known:  # as dispatch does it: nothing new is not stored
            self.lane = Lane.from_json(lane.to_json(), self.limits)


@pytest.mark.parametrize("seed", range(24))
def test_a_lane_always_answers_and_has_room_two_minutes_after_its_pause_if_nothing_more_is_heard(seed: int) -> None:
    """Before, two refusals with a Retry-After of 11 s or more made each later turn of a lane an error.

    A round looks at what is stored, and stores nothing itself. Before, some judged a refusal anew each time that
    they looked, paused for a second from then on, and never began.
    """
    play = Play(seed)
    for turn, _ in enumerate(play.steps(until=1400.0)):
        if turn % 10 == 0 or play.lane.state.judged is not None:
            stored = play.lane.to_json()
            for later in (120.0, 121.0, 600.0, 86_400.0):
                now = max(play.now, play.lane.state.paused_until, play.lane.state.pause_after) + later
                looked_at = Lane.from_json(stored, play.limits)
                looked_at.apply([], 0, now)
                assert looked_at.room(0, now, LEAD_SECONDS) > 0
                assert looked_at.reserve(50, now + 2.0, LEAD_SECONDS, 50) is not None  # a turn stores what it judges


def test_a_refusal_is_judged_the_same_whenever_somebody_looks() -> None:
    for seed in range(8):
        play = Play(seed)
        for _ in play.steps(until=1100.0):
            if play.lane.state.judged is not None:
                stored, at = play.lane.to_json(), play.lane.state.judge_at
                states = [Lane.from_json(stored, play.limits) for _ in range(3)]
                for lane, later in zip(states, (0.0, 5.0, 3600.0), strict=True):
                    lane.apply([], 0, at + later)
                first, *others = [(lane.state.rate.learned, lane.state.window.size) for lane in states]
                assert others == [first, first]


@pytest.mark.parametrize("is_probing", [False, True])
def test_a_lane_that_was_cut_to_a_request_a_minute_comes_back_in_minutes(is_probing: bool) -> None:
    """Before, its probe waited for the fourth request in ten seconds."""
    play = Play(0)
    play.lane, play.is_well, play.changes_at, play.most, play.lasts = Lane.new(LaneLimits(), 1000.0), True, 1e9, 10, 1.0
    rate, play.limits, play.stepping = play.lane.state.rate, LaneLimits(), 0.0
    rate.learned = rate.plateau = rate.best = 1 / 60
    play.lane.state.rate_before, play.lane.state.refused_at = 5.0, 999.0
    if is_probing:
        rate.growth, rate.shoots = "probe", True
    for _ in play.steps(until=1900.0):
        pass
    assert rate.learned < (play.lane.state.rate.learned or 0.0)

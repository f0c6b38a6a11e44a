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
        self.now = 1000.0
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
            if self.dice.random() < 0.001:
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
        while in_flight < self.most and lane.room(in_flight, now, LEAD_SECONDS) > 0:
            at = lane.reserve(lane.expect(50, now), now, LEAD_SECONDS, 50)
            if at is None:
                break
            self.planned.append(at)
            in_flight += 1
        assert lane.next_at(in_flight, now) <= now + 1.0
        self.lane = Lane.from_json(lane.to_json(), self.limits)


@pytest.mark.parametrize("seed", range(24))
def test_a_lane_always_answers_whatever_is_refused_and_for_how_long(seed: int) -> None:
    """Before, two refusals with a Retry-After of 11 s or more made each later turn of a lane an error."""
    for _ in Play(seed).steps(until=1400.0):
        pass

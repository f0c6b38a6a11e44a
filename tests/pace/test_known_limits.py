"""Limits that the upstreams file or the headers state: 600 requests and 900,000 tokens a minute, three workers."""

import json
import random

import pytest

from jobs.pace.lane import Lane
from jobs.pace.reports import LaneLimits, LimitKind
from longhand.simulator.windows import FixedWindow, SlidingWindow, TokenBucket
from tests.pace.provider_models import Provider, Work
from tests.pace.simulation import Seen, Simulation

STATED: dict[LimitKind, float] = {"requests": 600.0, "tokens": 900_000.0}
FROM_FILE = LaneLimits(requests_per_minute=600, tokens_per_minute=900_000)


def mixed(count: int, log_mean: float, seed: int) -> list[Work]:
    chance = random.Random(seed)
    sizes = [int(min(6000, max(50, chance.lognormvariate(log_mean, 0.6)))) for _ in range(count)]
    return [Work(size / 150 + 0.2, 0.3, chance.randint(50, 600), size) for size in sizes]


def run(provider: Provider, works: list[Work], limits: LaneLimits | None, seed: int, **more: float) -> Seen:
    return Simulation(provider, works, workers=3, seed=seed, lead=0.04, limits=limits, **more).run()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("from_file", "smooth", "seed"), [(True, True, 1), (True, False, 2), (False, True, 2), (False, False, 1)]
)
def test_a_known_request_rate_is_used_to_97_percent_and_never_refused(from_file: bool, smooth: bool, seed: int) -> None:
    requests = TokenBucket(10, 1) if smooth else FixedWindow(600, 60)
    provider = Provider(requests, stated={} if from_file else {"requests": 600.0})
    seen = run(provider, mixed(500, 6.5, seed), FROM_FILE if from_file else None, seed)
    last = seen.admitted[-1][0]
    assert sum(t >= 10 for t, _ in seen.admitted) / (last - 10) >= 9.7
    assert seen.refused() <= 0.01


@pytest.mark.parametrize(("from_file", "seed"), [(True, 1), (False, 2)])
def test_a_known_token_rate_is_used_to_95_percent(from_file: bool, seed: int) -> None:
    provider = Provider(SlidingWindow(600, 60), FixedWindow(900_000, 60), stated={} if from_file else STATED)
    seen = run(provider, mixed(500, 7.4, seed), FROM_FILE if from_file else None, seed)
    assert seen.tokens(10, seen.admitted[-1][0]) >= 0.95 * 15_000
    assert seen.refused(after=10) <= 0.01


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_stated_limit_that_changes_is_followed_within_ten_seconds(factor: float) -> None:
    provider = Provider(TokenBucket(10, 1), stated={"requests": 600.0})

    def change(changed: Provider) -> None:
        assert changed.requests is not None
        changed.requests.limit *= factor
        changed.stated = {"requests": 600.0 * factor}

    works = [Work(2.0, 0.3)] * 900
    seen = Simulation(provider, works, workers=3, lead=0.04, changes=[(30.0, change)], until=60).run()
    assert sum(40 <= t < 55 for t, _ in seen.admitted) / 15 >= 0.95 * 10 * factor
    assert seen.refused(after=40) <= 0.01


@pytest.mark.parametrize("fault", ["erase_at", "kill_at"])
def test_an_erased_row_or_a_killed_worker_costs_no_more_than_one_percent(fault: str) -> None:
    seen = run(Provider(FixedWindow(600, 60)), mixed(500, 6.5, 1), FROM_FILE, 1, **{fault: 20.0})
    assert len(seen.ends) >= 500 - 100
    assert seen.refused() <= 0.01


def test_a_limit_that_held_a_lane_for_an_hour_can_be_taken_out_of_the_file() -> None:
    now, limited = 1_790_000_000.0, LaneLimits(requests_per_minute=60)
    lane = Lane.new(limited, now)
    for _ in range(3600):
        now += 1.0
        while lane.room(0, now):
            assert lane.reserve(10, now) is not None
        lane.apply([], 0, now)
    lane = Lane.from_json(json.loads(json.dumps(lane.to_json())), LaneLimits())
    assert lane.room(0, now + 1.0) > 0
    assert lane.next_at(0, now + 1.0) < now + 60

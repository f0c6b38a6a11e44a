"""Servers that queue, servers without limits, and servers that hold few long streams."""

import random

import pytest

from jobs.pace.reports import LaneLimits
from tests.pace.provider_models import Provider, Work
from tests.pace.simulation import Simulation


@pytest.mark.parametrize(("slots", "most", "seed"), [(1, 6, 1), (1, 6, 7), (4, 10, 2)])
def test_a_server_that_queues_gets_a_small_window(slots: int, most: int, seed: int) -> None:
    seen = Simulation(Provider(slots=slots), [Work(10.0, 0.1)] * 60 * slots, workers=2, seed=seed, until=700).run()
    assert max(running for _, running in seen.in_flight) <= most
    assert len(seen.ends) == 60 * slots
    assert seen.over_at <= 640


@pytest.mark.parametrize(("slots", "seed"), [(1, 1), (1, 3), (4, 2), (8, 3), (64, 3)])
def test_a_server_that_queues_is_kept_busy(slots: int, seed: int) -> None:
    chance = random.Random(seed)
    works = [Work(chance.uniform(2.0, 18.0), 0.1) for _ in range(60 * slots)]
    seen = Simulation(Provider(slots=slots), works, seed=seed, until=1500).run()
    assert sum(work.seconds for work in works) / slots >= 0.96 * seen.over_at
    assert sum(running for _, running in seen.in_flight) / len(seen.in_flight) <= 1.5 * slots + 2


def test_without_a_limit_four_hundred_long_streams_run_within_ten_seconds() -> None:
    seen = Simulation(Provider(), [Work(60.0, 0.5)] * 450, workers=4, until=15).run()
    assert next(at for at, running in seen.in_flight if running >= 400) <= 10


def test_long_texts_fill_a_limit_of_fifty_streams() -> None:
    provider = Provider(in_flight_limit=50)
    seen = Simulation(provider, [Work(60.0, 0.5)] * 400, workers=3, until=700).run()
    assert seen.rate(120, 420) >= 0.9 * 50 / 60
    assert seen.refused(after=100) <= 0.04


def test_after_a_long_pause_streams_come_back_a_few_at_a_time() -> None:
    provider = Provider(retry_after=5.0)

    def fail(failing: Provider) -> None:
        failing.refuses_until = 21.0

    outage = [(20.0, fail)]
    simulation = Simulation(
        provider, [Work(1.0, 0.2)] * 6000, workers=2, limits=LaneLimits(max_streams=40), until=40, changes=outage
    )
    seen = simulation.run()
    assert seen.refusals()
    back = next(t for t, accepted in seen.sends if accepted and t > seen.refusals()[-1] + 1)
    assert back >= 25.0
    assert sum(back <= t < back + 0.1 for t, _ in seen.sends) <= 8

"""A provider that says nothing of its limits: the lane finds them, keeps just below, and is seldom refused."""

from functools import cache
from itertools import pairwise
from statistics import median

import pytest

from jobs.dispatch.reservation import LEAD_SECONDS
from longhand.simulator.provider import WindowKind
from longhand.simulator.windows import SlidingWindow, make_window
from tests.pace.provider_models import Provider, Work
from tests.pace.simulation import Seen, Simulation


@cache  # several tests look at the same run
def run(
    kind: WindowKind,
    workers: int,
    seed: int,
    in_flight_limit: int | None,
    retry_after: float | None,
    lead: float = LEAD_SECONDS,
    is_late: bool = False,
) -> Seen:
    requests = make_window(kind, 20, 1, None)
    provider = Provider(requests, in_flight_limit=in_flight_limit, retry_after=retry_after)
    return Simulation(provider, [Work()] * 600, workers=workers, seed=seed, lead=lead, is_late=is_late, until=120).run()


def rate_after_ten_seconds(seen: Seen) -> float:
    return seen.rate(10, seen.over_at - 0.5)


@pytest.mark.parametrize(("workers", "in_flight_limit"), [(1, None), (2, 8), (3, None), (8, 8)])
def test_twenty_a_second_are_found_and_kept(workers: int, in_flight_limit: int | None) -> None:
    runs = [run("sliding", workers, seed, in_flight_limit, None) for seed in (1, 2, 3, 4, 5)]
    assert min(map(rate_after_ten_seconds, runs)) >= 19.5
    assert median(seen.refused() for seen in runs) <= 0.01
    assert max(seen.refused() for seen in runs) <= 0.015


@pytest.mark.parametrize("in_flight_limit", [8, None])
def test_a_retry_after_is_obeyed_and_the_rate_is_kept(in_flight_limit: int | None) -> None:
    for seed in (1, 2, 3):
        seen = run("sliding", 2, seed, in_flight_limit, 1.0)
        assert rate_after_ten_seconds(seen) >= 19.5
        assert seen.refused() <= 0.01


def test_a_limit_is_found_with_few_refusals_and_a_probe_costs_one() -> None:
    for seed in (1, 2, 3, 4):
        seen = run("sliding", 2, seed, 8, None)
        assert len(seen.refusals(until=8)) <= 3
        probes = seen.refusals(after=8)
        assert probes
        assert all(later - earlier > 2.0 for earlier, later in pairwise(probes))


@pytest.mark.parametrize(("refused_for", "soon"), [(0.5, 15), (3, 15), (20, 22)])
def test_an_upstream_that_takes_nothing_at_first_is_as_fast_as_any_soon_after(refused_for: float, soon: float) -> None:
    """What it refused before it took anything said nothing of its limits; taken for one, it cost a minute."""
    for seed in (1, 2, 3):
        provider = Provider(requests=SlidingWindow(20, 1), in_flight_limit=8, refuses_until=refused_for)
        seen = Simulation(provider, [Work()] * 600, seed=seed, lead=LEAD_SECONDS, until=120).run()
        assert len(seen.refusals(until=refused_for)) >= 4
        assert seen.rate(refused_for + soon, refused_for + soon + 8) >= 18.5


def test_a_pause_does_not_end_with_many_at_once() -> None:
    for seed in (1, 2, 3, 4):
        assert len(run("sliding", 2, seed, 8, 1.0).refusals(until=10)) <= 4


@pytest.mark.parametrize(
    ("kind", "retry_after", "in_flight_limit"),  # every two of them meet
    [("fixed", None, 8), ("fixed", 1.0, None), ("bucket", None, None), ("bucket", 1.0, 8)],
)
def test_other_ways_of_counting_are_held_nearly_as_well(
    kind: WindowKind, retry_after: float | None, in_flight_limit: int | None
) -> None:
    for seed in (1, 2, 3):
        seen = run(kind, 2, seed, in_flight_limit, retry_after)
        assert rate_after_ten_seconds(seen) >= (18.5 if retry_after is None else 15.5)
        assert seen.refused(after=10) <= 0.045


@pytest.mark.parametrize(("in_flight_limit", "retry_after"), [(8, None), (None, 1.0)])
def test_on_a_busy_machine_requests_that_come_late_cost_little(
    in_flight_limit: int | None, retry_after: float | None
) -> None:
    for seed in (1, 2, 3):
        seen = run("sliding", 2, seed, in_flight_limit, retry_after, is_late=True)
        assert rate_after_ten_seconds(seen) >= 18.4
        assert seen.refused() <= 0.016


def test_a_caller_that_cannot_plan_ahead_loses_little() -> None:
    for seed in (1, 2, 3):
        seen = run("sliding", 2, seed, 8, None, lead=0.0)
        assert rate_after_ten_seconds(seen) >= 18.8
        assert seen.refused(after=10) <= 0.01

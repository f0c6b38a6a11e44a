"""A limit of tokens that nothing states: 600 requests and 900,000 tokens a minute, three workers, mixed jobs."""

import random
from statistics import median

from jobs.dispatch.reservation import LEAD_SECONDS
from jobs.pace.lane import Lane
from jobs.pace.reports import Finished, LaneLimits
from jobs.pace.token_rate import TokenRate
from longhand.simulator.windows import TokenBucket
from tests.pace.provider_models import Provider, Work
from tests.pace.simulation import Simulation

BURST_SECONDS = 5
"""What the provider's buckets hold when the jobs begin."""


def used_after_ten_seconds(seed: int) -> float:
    sizes = random.Random(seed * 7 + 5).choices((300, 1500, 4000), (0.5, 0.2, 0.3), k=500)
    provider = Provider(TokenBucket(600, 60, BURST_SECONDS), TokenBucket(900_000, 60, BURST_SECONDS))
    works = [Work(0.45, 0.15, size, 15) for size in sizes]
    seen = Simulation(provider, works, workers=3, seed=seed, lead=LEAD_SECONDS, until=300).run()
    last = seen.admitted[-1][0]
    requests = sum(10 <= at < last for at, _ in seen.admitted) / (last - 10)
    return max(requests / 10, seen.tokens(10, last) / 15_000)


def test_limits_of_requests_and_tokens_that_nothing_states_are_used_to_95_percent() -> None:
    used = [used_after_ten_seconds(seed) for seed in range(1, 9)]
    assert median(used) >= 0.95
    assert min(used) >= 0.7


def sent(sizes: list[int], refused: list[int]) -> TokenRate:
    rate = TokenRate()
    for second, size in enumerate(sizes, 1):
        rate.take(size, float(second))
    for size in refused:
        rate.take(size, float(len(sizes)))
        rate.refused(size)
    return rate


def test_refusals_of_large_requests_only_show_a_limit_of_tokens() -> None:
    rate = sent([300, 1500, 4000, 300] * 20, [4000] * 8)
    assert rate.is_reason()
    measured = rate.measure(81.0)
    assert measured is not None
    assert 1500 <= measured <= 1550
    rate.cut(measured, 81.0)
    assert rate.learned == measured


def test_refusals_of_requests_of_any_size_show_none() -> None:
    assert not sent([300, 1500, 4000, 300] * 20, [300, 4000, 300, 1500, 300, 1500]).is_reason()
    assert not sent([300] * 80, [300] * 8).is_reason()


def test_one_usage_that_is_reported_wrong_makes_no_later_request_take_much_more() -> None:
    """Before, each further request of a lane with few texts seemed to need a minute's tokens."""
    lane = Lane.new(LaneLimits(tokens_per_minute=60_000), 1000.0)
    for minute, used in enumerate([200, 210, 50_000_000, 190, 220, 200]):
        at = 1000.0 + 70 * minute
        assert lane.reserve(lane.expect(400, at), at, 0.0, 400) is not None
        lane.apply([Finished(at, at + 5, 400, used, used - 20)], 0, at + 5)
    assert lane.estimate_output() <= 250
    taken = []
    for second in range(40):
        at = 2000.0 + 10 * second
        taken.append(lane.expect(400, at))
        assert lane.reserve(taken[-1], at, 0.0, 400) is not None
        lane.apply([Finished(at, at + 5, taken[-1], 200, 180)], 0, at + 5)
    assert max(taken) <= 800
    assert taken[-1] <= 400

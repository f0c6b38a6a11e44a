"""What a turn costs its project: the streams, requests and tokens that it kept from all."""

import pytest

from jobs.dispatch.turn_costs import Ended, TurnCosts


def test_tokens_that_are_kept_from_everybody_cost_all_streams_until_they_are_given_back() -> None:
    """A request that seemed to need all of a minute and used little kept the lane, and its project paid one stream."""
    streams, rate = 10, 200_000 / 60
    costs = TurnCosts(of_token=streams / rate, of_request=0.0, streams=streams)
    kept = {seconds: round(seconds * rate) for seconds in (1, 5, 60)}
    paid = {seconds: costs.of_ended(Ended("large", 20.0, 800, 1, tokens)) for seconds, tokens in kept.items()}
    assert paid == pytest.approx({1: 20.0, 5: 5.0 * streams, 60: 20.0 * streams}, rel=0.001)
    assert costs.of_ended(Ended("large", 20.0, kept[60], 1, kept[60])) == pytest.approx(60.0 * streams, rel=0.001)


def test_a_request_costs_no_more_than_a_minutes_tokens_whatever_its_upstream_reports() -> None:
    """One usage of 50,000,000 tokens stopped its project for hours; the pace forgets it after a minute."""
    streams, rate = 10, 60_000 / 60
    costs = TurnCosts(of_token=streams / rate, of_request=0.0, streams=streams)
    assert costs.of_ended(Ended("alpha", 1.0, 50_000_000, 1)) == 60.0 * streams
    assert costs.of_ended(Ended("alpha", 1.0, 50_000_000, 3)) == 3 * 60.0 * streams
    assert costs.of_ended(Ended("alpha", 1.0, 30_000, 1)) == 30.0 * streams

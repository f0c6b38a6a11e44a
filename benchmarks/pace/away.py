"""Providers that are out of credit, away, slow or broken: does every job complete, and is nothing charged?"""

import time

import httpx

from benchmarks.pace.figures import Row, Seconds
from benchmarks.pace.stack import PaceStack, Provider, request, waits_for

_CREDIT = 100
_FIRST_TOP_UP = 500
_AT_ONCE_SECONDS = 2.0
_BURST_SECONDS = 3
"""A refusal so soon after an accepted call is of a request that was on its way; a later one is of a probe."""


def measure_credit(jobs: int | None) -> list[Row]:
    """Credit for 100 of 5,000 jobs; a top-up that a probe must find, and one after which a person says `resume`."""
    jobs = jobs or 5000
    with PaceStack(50, workers=2, providers=[{"deltas_per_second": 50, "first_delta_seconds": 0}]) as stack:
        provider = stack.providers[0]
        provider.reset()
        provider.top_up(_CREDIT)
        batch = stack.submit([request("paid", 15)] * jobs)
        waits_for(lambda: bool(provider.stats()["refused"]) or stack.has_ended(batch), 60)
        time.sleep(20)
        held = stack.counts(batch)
        first_wait = _seconds_to_call(stack, batch, _FIRST_TOP_UP)
        paid = min(jobs, _CREDIT + _FIRST_TOP_UP)
        waits_for(lambda: stack.counts(batch).get("completed", 0) >= paid or stack.has_ended(batch), 120)
        time.sleep(5)
        second_wait = _seconds_to_call(stack, batch, jobs, resume="default")
        stack.wait_ended_or(60 + jobs / 20, batch)
        stats, counts = provider.stats(), stack.counts(batch)
    refused = stats["refused"].get("credit", 0)
    probes = _probes(Seconds(stats, "paid"))
    row = Row(
        {
            "provider": f"credit for {_CREDIT} of {jobs:,} jobs",
            "completed while held": held.get("completed", 0),
            "completed": counts.get("completed", 0),
            "failed": counts.get("failed", 0),
            "charged": counts["charged"],
            "wasted calls": refused,
            "of these probes": probes,
            "most in flight": stats["peak_running"],
            "s from top-up to the first text": first_wait,
            "s from resume to the first text": second_wait,
        }
    )
    row.demand(held.get("completed", 0) == _CREDIT, f"{_CREDIT} completed while held")
    row.demand(counts.get("completed", 0) == jobs, "all complete")
    row.demand(counts["charged"] == 0, "none charged")
    # The account ran empty under running streams twice.
    row.demand(0 < refused <= 2 * stats["peak_running"] + probes, "wasted calls: the running streams and the probes")
    row.demand(first_wait <= 60, "a probe within 60 s")
    row.demand(second_wait <= _AT_ONCE_SECONDS, "resume starts at once")
    return [row]


def _seconds_to_call(stack: PaceStack, batch: str, completions: int, resume: str | None = None) -> float:
    """Top up, perhaps resume, and wait for the next accepted call."""
    provider = stack.providers[0]
    before = provider.stats()["accepted"]
    provider.top_up(completions)
    began = time.monotonic()
    if resume is not None:
        stack.client.post(f"/v1/upstreams/{resume}/resume", json={})
    called = waits_for(lambda: provider.stats()["accepted"] > before, 0.5 if stack.has_ended(batch) else 320, 0.1)
    return time.monotonic() - began if called else float("inf")


def _probes(seconds: Seconds) -> int:
    """In how many seconds a probe was refused, and not a request that followed an accepted one at once."""
    accepted = seconds.with_any("accepted")
    return sum(
        not any(second - _BURST_SECONDS <= one <= second for one in accepted) for second in seconds.with_any("refused")
    )


def measure_outage(jobs: int | None) -> list[Row]:
    """Nothing listens for 60 s under 200 running and 300 waiting jobs."""
    jobs = jobs or 500
    running = 2 * jobs // 5
    with PaceStack(running // 2, workers=2, providers=[{"deltas_per_second": 2, "first_delta_seconds": 0}]) as stack:
        provider = stack.providers[0]
        # A pace that is learned must first be learned.
        stack.wait_ended_or(90, stack.submit([request("away", 2)] * 3 * running))
        batch = stack.submit([request("away", 40)] * jobs)
        waits_for(lambda: int(provider.stats()["running"]) >= running, 120)
        provider.reset()
        at_start = provider.stats()["running"]
        provider.go_away(60)
        time.sleep(61)
        waits_for(lambda: _is_back(provider), 10)
        ended_after = stack.wait_ended_or(300, batch)
        stats, counts, outcomes = provider.stats(), stack.counts(batch), stack.outcomes(batch)
    row = Row(
        {
            "provider": f"nothing listens for 60 s under {at_start} running",
            "completed": counts.get("completed", 0),
            "failed": counts.get("failed", 0),
            "charged": counts["charged"],
            "streams cut": stats["cut"],
            "attempts": sum(outcomes.values()),
            "s after its end": ended_after,
        }
    )
    row.demand(at_start >= running, f"{running} running")
    row.demand(stats["cut"] >= 0.9 * running, "the outage cut what ran")
    row.demand(counts.get("completed", 0) == jobs, "all complete")
    row.demand(counts["charged"] == 0, "none charged")
    return [row]


def _is_back(provider: Provider) -> bool:
    try:
        return "outage_over" in provider.stats()["last"]
    except httpx.TransportError:
        return False


def measure_queue(jobs: int | None) -> list[Row]:
    """A server with one slot and a queue: 10 s a text, 60 jobs, default settings."""
    jobs = jobs or 60
    with PaceStack(100, workers=1, providers=[{"deltas_per_second": 2, "first_delta_seconds": 0}]) as stack:
        provider = stack.providers[0]
        provider.change_limits(slots=1)
        provider.reset()
        batch = stack.submit([request("queue", 20)] * jobs)
        seconds = stack.wait_ended_or(10.5 * jobs + 120, batch)
        stats, counts = provider.stats(), stack.counts(batch)
    row = Row(
        {
            "provider": f"one slot, 10 s a text, {jobs} jobs",
            "completed": counts.get("completed", 0),
            "failed": counts.get("failed", 0),
            "charged": counts["charged"],
            "calls cut": stats["clients_gone"],
            "calls": stats["requests"],
            "most waiting": stats["peak_waiting"],
            "seconds": seconds,
        }
    )
    row.demand(counts.get("completed", 0) == jobs, "all complete")
    row.demand(stats["clients_gone"] == 0, "no call cut")
    row.demand(counts["charged"] == 0, "none charged")
    return [row]


def measure_three(jobs: int | None) -> list[Row]:
    """Three upstreams: one answers 429 over 10 requests a second, one dies, one rejects its key from some time on."""
    jobs = jobs or 300
    pace = {"deltas_per_second": 50, "first_delta_seconds": 0.2}
    with PaceStack(50, workers=2, providers=[pace] * 3) as stack:
        limited, dying, rejecting = stack.providers
        limited.change_limits(requests_per_second=10, limited_models=["three"])
        for provider in stack.providers:
            provider.reset()
        batch = stack.submit([request("three", 50)] * jobs)
        waits_for(lambda: stack.counts(batch).get("completed", 0) >= jobs // 10, 60)
        before_it_died = dying.stats()
        dying.go_away(3600)
        rejecting.refuse_key()
        seconds = stack.wait_ended_or(60 + jobs / 3, batch)
        counts, refused = stack.counts(batch), [provider.stats()["refused"] for provider in (limited, rejecting)]
    row = Row(
        {
            "provider": "three upstreams: 429, dying, key rejected",
            "completed": counts.get("completed", 0),
            "failed": counts.get("failed", 0),
            "charged": counts["charged"],
            "refused by the limit": refused[0].get("requests", 0),
            "running when it died": before_it_died["running"],
            "refused keys": refused[1].get("key", 0),
            "seconds": seconds,
        }
    )
    row.demand(before_it_died["accepted"] > 0 and refused[1].get("key", 0) > 0, "all three were used")
    row.demand(counts.get("completed", 0) == jobs, "all complete")
    row.demand(counts["charged"] == 0, "none charged")
    return [row]

"""Providers with limits: is everything used that is allowed, and is nearly nothing refused?"""

import random
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.pace.figures import SETTLED_SECONDS, Row, Seconds
from benchmarks.pace.stack import PaceStack, Provider, request, waits_for
from benchmarks.peers import PYTHON, can_import

SHORT_TOKENS = 15  # at 50 a second: 0.3 s
_SHORT = {"deltas_per_second": 50, "first_delta_seconds": 0.0}
_SDK_LOOP = "benchmarks/pace/sdk_loop.py"
_SDK_TASKS = 8


def measure_rate(jobs: int | None) -> Iterator[Row]:
    """20 requests a second and 8 in flight; two workers; with and without hints, and without the limit in flight."""
    kinds: dict[str, dict[str, Any]] = {
        "20/s, 8 in flight, no hints": {"in_flight": 8},
        "the same, Retry-After": {"in_flight": 8, "retry_after": True},
        "20/s, no hints": {},
    }
    for name, limits in kinds.items():
        yield from _measure_rate(name, limits, jobs or 600)


def _measure_rate(name: str, limits: dict[str, Any], jobs: int) -> Iterator[Row]:
    with PaceStack(50, workers=2, providers=[_SHORT | {"limited_models": ["short", "sdk"]}]) as stack:
        provider = stack.providers[0]
        provider.change_limits(requests_per_second=20, **limits)
        provider.reset()
        batch = stack.submit([request("short", SHORT_TOKENS)] * jobs)
        seconds = stack.wait_ended_or(20 + 4 * jobs / 20, batch)
        row = _rate_row(name, Seconds(provider.stats(), "short"), seconds)
        counts = stack.counts(batch)
        row.demand(counts.get("completed", 0) == jobs, f"{counts.get('completed', 0)} of {jobs} completed")
        row.demand(row.figures["jobs/s after 10 s"] >= 19.5, "19.5 jobs/s")
        row.demand(row.figures["refused %"] <= 1, "1 % refused")
        yield row
        stack.client.post(f"/v1/batches/{batch}/cancel")
        if can_import("openai"):
            yield _measure_sdk(stack, provider, f"{name}: SDK, {_SDK_TASKS} tasks", jobs)


def _measure_sdk(stack: PaceStack, provider: Provider, name: str, jobs: int) -> Row:
    """The SDK on the same provider, which counts its model apart."""
    provider.reset()
    began = time.monotonic()
    arguments = [provider.url, "sdk", str(_SDK_TASKS), str(jobs), str(SHORT_TOKENS)]
    loop = stack.start([PYTHON, _SDK_LOOP, *arguments])
    waits_for(lambda: loop.poll() is not None, 20 + 4 * jobs / 20)
    return _rate_row(name, Seconds(provider.stats(), "sdk"), time.monotonic() - began)


def _rate_row(name: str, seconds: Seconds, took: float) -> Row:
    return Row(
        {
            "provider": name,
            "jobs/s after 10 s": seconds.rate("completed"),
            "refused %": seconds.refused_percent(),
            "refused % after 10 s": seconds.refused_percent(SETTLED_SECONDS),
            "calls": seconds.total("requests"),
            "seconds": took,
        }
    )


def measure_tokens(jobs: int | None) -> Iterator[Row]:
    """600 requests and 900,000 tokens a minute, three workers, jobs of mixed length, an unlimited model beside it."""
    kinds = {"rate headers": False, "no hints": False, "rate headers, Redis flushed and a worker killed": True}
    for name, faults in kinds.items():
        yield _measure_tokens(name, jobs or 500, name != "no hints", faults)


def _measure_tokens(name: str, jobs: int, headers: bool, faults: bool) -> Row:
    limits = {"requests_per_minute": 600, "tokens_per_minute": 900_000, "window": "bucket", "burst_seconds": 5}
    with PaceStack(60, workers=3, providers=[{"limited_models": ["limited"], "rate_headers": headers}]) as stack:
        provider = stack.providers[0]
        alone = _run_free(stack)
        provider.change_limits(**limits)
        provider.reset()
        began = time.monotonic()
        batch = stack.submit(_mixed(jobs))
        beside = _run_free(stack)
        if faults:
            stack.workers[0].kill()
            stack.flush_redis()
        stack.wait_ended_or(30 + 4 * jobs / 10 - (time.monotonic() - began), batch)
        seconds, counts = Seconds(provider.stats(), "limited"), stack.counts(batch)
    used = max(seconds.rate("accepted", until=seconds.last("accepted")) / 10, _tokens_rate(seconds) / 15_000)
    loss = 100 * (1 - alone / beside)
    row = Row(
        {
            "provider": f"600 rpm, 900,000 tpm, {name}",
            "% of what is allowed, after 10 s": 100 * used,
            "refused % after 10 s": seconds.refused_percent(SETTLED_SECONDS),
            "refused %": seconds.refused_percent(),
            "unlimited model loses %": loss,
            "seconds": time.monotonic() - began,
        }
    )
    row.demand(counts.get("completed", 0) == jobs, f"{counts.get('completed', 0)} of {jobs} completed")
    row.demand(used >= 0.95, "95 % used")
    row.demand(seconds.refused_percent(SETTLED_SECONDS) <= 1, "1 % refused")
    row.demand(loss <= 5, "the unlimited model loses 5 %")
    return row


def _tokens_rate(seconds: Seconds) -> float:
    # Tokens are known at the end of a text, requests at its beginning: half a second apart.
    return seconds.rate("tokens", until=seconds.last("accepted"))


def _mixed(jobs: int) -> list[dict[str, Any]]:
    """Short and long requests, 1,650 tokens on average: those of a prompt cost this machine nothing."""
    chance = random.Random(12)
    requests = []
    for tokens in chance.choices((300, 1500, 4000), (0.5, 0.2, 0.3), k=jobs):
        prompt = "Tell me what is in this text. " + "tea and rain " * (tokens * 4 // 13)
        messages = [{"role": "user", "content": prompt}]
        requests.append({**request("limited", 20), "messages": messages, "simulate": {"length": 15}})
    return requests


def _run_free(stack: PaceStack, seconds: int = 20, each_second: int = 10) -> float:
    """Submit jobs of one second to an unlimited model, second by second; until the last has ended, in seconds."""
    began = time.monotonic()
    job = {**request("free", 20), "simulate": {"deltas_per_second": 20, "first_delta_seconds": 0}}
    batches = []
    for second in range(seconds):
        time.sleep(max(0.0, began + second - time.monotonic()))
        batches.append(stack.submit([job] * each_second))
    stack.wait_ended_or(120, *batches)
    return time.monotonic() - began


def measure_change(jobs: int | None) -> Iterator[Row]:
    """A limit that doubles and halves: from 10 s after the change on the pace must be right."""
    for headers in (True, False):
        with PaceStack(50, workers=3, providers=[_SHORT | {"limited_models": ["short"]}]) as stack:
            provider = stack.providers[0]
            provider.change_limits(window="bucket", burst_seconds=1, rate_headers=headers, requests_per_minute=600)
            provider.reset()
            batch = stack.submit([request("short", SHORT_TOKENS)] * (jobs or 1500))
            for before, now in _PHASES:
                yield _measure_phase(provider, headers, before, now)
            stack.client.post(f"/v1/batches/{batch}/cancel")


_PHASES = ((600, 600), (600, 1200), (1200, 600), (600, 300))


def _measure_phase(provider: Provider, headers: bool, before: int, now: int) -> Row:
    provider.change_limits(requests_per_minute=now)
    provider.reset()
    time.sleep(21)
    seconds = Seconds(provider.stats(), "short")
    used = 100 * seconds.rate("accepted", SETTLED_SECONDS, 20) / (now / 60)
    row = Row(
        {
            "provider": f"{before} -> {now} rpm, {'rate headers' if headers else 'no hints'}",
            "% of what is allowed, after 10 s": used,
            "refused % after 10 s": seconds.refused_percent(SETTLED_SECONDS, 20),
            "refused %": seconds.refused_percent(),
        }
    )
    row.demand(used >= 95, "95 % used")
    row.demand(seconds.refused_percent(SETTLED_SECONDS, 20) <= 1, "1 % refused")
    return row

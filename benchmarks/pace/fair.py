"""Two projects, one with 50,000 jobs queued: does the other get its share, and does splitting gain anything?"""

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import func, select

from benchmarks.pace.figures import Row
from benchmarks.pace.stack import PaceStack, request, waits_for
from benchmarks.stack import BenchmarkError
from jobs.store.keys import create_key
from jobs.tables import attempts, jobs

_STREAMS = 40
_SECONDS = 20
"""For so long the shares are counted."""


def measure_fairness(jobs: int | None) -> list[Row]:
    """Shares by equal and unequal weights, with one batch of A and with a hundred."""
    queued = jobs or 50_000
    rows = [_measure(queued, 1, {}), _measure(queued, 100, {}), _measure(queued, 1, {"a": 1, "b": 3})]
    first, split = rows[0].figures, rows[1].figures
    gained = first["share of B %"] - split["share of B %"]
    rows[1].demand(abs(gained) <= 5, "splitting gains nothing")
    return rows


def _measure(queued: int, batches: int, weights: Mapping[str, float]) -> Row:
    pace = {"deltas_per_second": 5, "first_delta_seconds": 0}
    with PaceStack(_STREAMS // 2, workers=2, providers=[pace], project_weights=weights) as stack:
        keys = {name: create_key(stack.database, project=name)[1] for name in ("a", "b")}
        time.sleep(6)  # an API process looks for the first key every few seconds
        batch_ids = [_submit(stack, keys["a"], queued // batches) for _ in range(batches)]
        waits_for(lambda: stack.upstream_stats()["running"] >= _STREAMS, 60)
        submitted_at = stack.database.now()
        first = _submit(stack, keys["b"], 50)
        waits_for(lambda: _first_text_at(stack, first) is not None, 90)
        first_text_at = _first_text_at(stack, first)
        waited = (first_text_at - submitted_at).total_seconds() if first_text_at else float("inf")
        waits_for(lambda: stack.has_ended(first), 30)
        _submit(stack, keys["b"], 2 * _STREAMS * _SECONDS)
        time.sleep(5)
        share = _share_of_b(stack)
        left = stack.counts(*batch_ids).get("queued", 0)
    due = weights.get("b", 1) / (weights.get("a", 1) + weights.get("b", 1))
    row = Row(
        {
            "projects": f"A {queued:,} jobs in {batches} batches, B 50; weights {weights or 'equal'}",
            "s to the first text of B": waited,
            "share of B %": 100 * share,
            "due %": 100 * due,
            "A still queued": left,
        }
    )
    # Every job takes a second, so there is a free stream every few milliseconds.
    row.demand(left > 0, "a share: A ran out of jobs")
    row.demand(waited <= 2, "the first text within 2 s")
    row.demand(abs(share - due) <= 0.05, "the share within 5 %")
    return row


def _submit(stack: PaceStack, key: str, count: int) -> str:
    answer = httpx.post(
        f"{stack.url}/v1/batches",
        json={"requests": [{"body": request("fair", 5)}] * count},
        headers={"authorization": f"Bearer {key}"},
        timeout=300,
        trust_env=False,
    )
    if answer.status_code != 202:
        raise BenchmarkError(answer.text[:500])
    return str(answer.json()["id"])


def _first_text_at(stack: PaceStack, batch: str) -> Any:
    with stack.database.read() as connection:
        return connection.scalar(select(func.min(attempts.c.first_delta_at)).where(attempts.c.batch_id == batch))


def _share_of_b(stack: PaceStack) -> float:
    """The share of B of all attempts that begin in the next seconds, while both have jobs waiting."""
    since = stack.database.now()
    time.sleep(_SECONDS)
    begun = (
        select(jobs.c.project, func.count())
        .join(attempts, attempts.c.job_id == jobs.c.id)
        .where(attempts.c.started_at >= since, attempts.c.started_at < since + timedelta(seconds=_SECONDS))
        .group_by(jobs.c.project)
    )
    with stack.database.read() as connection:
        counts = {str(row[0]): int(row[1]) for row in connection.execute(begun)}
    return counts.get("b", 0) / max(1, sum(counts.values()))

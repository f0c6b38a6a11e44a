"""The soak: faults and attackers at random over a steady stream of jobs and watchers, and the invariants at the end.

`make soak MINUTES=60 SEED=7`. It is a test that is collected only by its path; the seed is printed and makes the same
choices again (not the same timing).
"""

import heapq
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from jobs.model.status import FINAL, JobStatus
from longhand.simulator import ServedSimulator
from tests.chaos.elders import Elders
from tests.chaos.fault_proxy import FaultProxy, faults_before
from tests.chaos.invariants import articles, check
from tests.chaos.processes import Process
from tests.chaos.stack import QUICK, Stack

STREAMS = 20
WORKERS = 3
_SETTINGS = {**QUICK, "LONGHAND_STREAMS": str(STREAMS), "LONGHAND_GRACE_SECONDS": "3"}
_MOST_WAITING = 150


class Soak:
    """The stack, the dice, and what has been done so far."""

    def __init__(self, stack: Stack, provider: ServedSimulator, line: FaultProxy, seed: int) -> None:
        self.stack = stack
        self.provider = provider
        self.line = line
        self.chance = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.jobs = 0
        self.cut_streams = 0
        """How many streams the faults can have cut: each may be asked for once more."""
        self.elders = Elders(stack.start_api(), stack.api_url, stack.start_worker(**_SETTINGS))
        self.api = stack.start_api()
        self.workers = [stack.start_worker(**_SETTINGS) for _ in range(WORKERS - 1)]
        self._heals: list[tuple[float, int, Callable[[], object]]] = []
        self._wrong_with_provider: set[str] = set()

    def turn(self) -> None:
        """Heal what is to be healed, submit something, and break something."""
        self.heal_due()
        self.elders.look()
        waiting = self.stack.count(JobStatus.QUEUED)
        if waiting < _MOST_WAITING:
            self.submit()
        if self.chance.random() < 0.6:
            is_ours = self.chance.random() < 0.8  # what is held runs no jobs for the other faults to hit
            fault = self.chance.choice(self.faults if is_ours else self.provider_faults)
            fault(self)
            self.done[fault.__name__.removeprefix("_")] += 1
        time.sleep(self.chance.uniform(0.3, 1.5))

    def heal_due(self, *, all_of_them: bool = False) -> None:
        """End the faults whose time is over."""
        while self._heals and (all_of_them or self._heals[0][0] <= time.monotonic()):
            heapq.heappop(self._heals)[2]()

    def submit(self) -> None:
        """A batch, some of which is watched, some cancelled. Whoever gets no answer comes back with the same key."""
        count = self.chance.randint(3, 12)
        body = {
            "requests": [{"body": one} for one in self._articles(count)],
            "max_attempts": 20,
            "metadata": {"soak": str(self.jobs)},
        }
        key = f"soak-{self.jobs}"
        self.jobs += count
        batch_id = str(self._insist("/v1/batches", body, key)["id"])
        ids = self.stack.ids_of(batch_id)
        for job_id in self.chance.sample(ids, 1 + count // 4):
            self.stack.begin_to_watch(job_id)
        if self.chance.random() < 0.1:
            self._insist(f"/v1/jobs/{self.chance.choice(ids)}/cancel", None, "")
            self.done["cancel"] += 1

    def _articles(self, count: int) -> list[dict[str, Any]]:
        return articles(
            count,
            deltas=self.chance.randint(20, 200),
            per_second=self.chance.choice([20, 50, 100]),
            first=self.jobs,
        )

    def _insist(self, path: str, body: dict[str, Any] | None, key: str) -> dict[str, Any]:
        headers = {"idempotency-key": key} if key else {}
        while True:
            try:
                answer = httpx.post(self.stack.api_url + path, json=body, headers=headers, timeout=10)
            except httpx.HTTPError:
                self.done["submit without an answer"] += 1
            else:
                if answer.status_code < 500:
                    assert answer.status_code in (200, 202, 409), answer.text
                    return dict(answer.json())
                self.done["submit answered with 5xx"] += 1
            self.heal_due()
            time.sleep(0.2)

    def _later(self, action: Callable[[], object]) -> None:
        at = time.monotonic() + self.chance.uniform(0.2, 5)
        heapq.heappush(self._heals, (at, len(self._heals) + int(at * 1e6), action))

    # The faults.

    def _kill_worker(self) -> None:
        victim = self._take_worker()
        victim.kill()
        self.workers.append(self.stack.start_worker(**_SETTINGS))

    def _drain_worker(self) -> None:
        victim = self._take_worker()
        victim.terminate()
        self.workers.append(self.stack.start_worker(**_SETTINGS))

    def _stop_worker(self) -> None:
        victim = self._take_worker()
        self.workers.insert(0, victim)
        victim.send(signal.SIGSTOP)
        self._later(lambda: victim.send(signal.SIGCONT) if victim.alive else None)

    def _kill_api(self) -> None:
        self.api.kill()
        self.api = self.stack.restart_api()

    def _cut_redis(self) -> None:
        self.stack.worker_redis.cut_all()
        self.stack.api_redis.cut_all()

    def _freeze_redis(self) -> None:
        for proxy in (self.stack.worker_redis, self.stack.api_redis):
            proxy.freeze()
            self._later(proxy.heal)

    def _erase_redis(self) -> None:
        self.stack.redis.flushall()

    def _cut_database(self) -> None:
        for proxy in (self.stack.worker_database, self.stack.api_database):
            assert proxy is not None
            proxy.cut_all()

    def _freeze_database(self) -> None:
        for proxy in (self.stack.worker_database, self.stack.api_database):
            assert proxy is not None
            proxy.freeze()
            self._later(proxy.heal)
        self.cut_streams += WORKERS * STREAMS

    def _refuse_database(self) -> None:
        assert self.stack.worker_database is not None
        self.stack.worker_database.refuse()
        self._later(self.stack.worker_database.heal)
        self.cut_streams += WORKERS * STREAMS

    def _swallow_a_commit(self) -> None:
        assert self.stack.worker_database is not None
        self.stack.worker_database.trap(b"COMMIT", action="swallow")

    def _cut_upstream(self) -> None:
        self.cut_streams += self.line.cut_all()

    def _attack(self) -> None:
        self._later(self.elders.attack(self.chance, [watcher.job_id for watcher in self.stack.watchers[-5:]]))

    # What is wrong with the provider for a while. Each at most once at a time, since its end ends it.

    def _lose_provider(self) -> None:
        status = self.chance.choice((None, 502, 503))
        self._wrong("away", lambda: self.provider.go_away(status), self.provider.come_back)

    def _cut_every_stream(self) -> None:
        after = self.chance.randint(500, 5000)
        self._wrong("cuts", lambda: self.line.cut_each_after(after), self.line.heal)

    def _spend_credit(self) -> None:
        self._wrong("credit", self.provider.run_out_of_credit, lambda: self.provider.top_up(1_000_000))

    def _reject_key(self) -> None:
        self._wrong("key", self.provider.refuse_key, lambda: self.provider.refuse_key(False))

    def _limit_provider(self) -> None:
        limit = self.chance.choice(({"in_flight": 5}, {"requests_per_second": 5}))
        none = dict.fromkeys(limit)
        self._wrong("limit", lambda: self.provider.change_limits(**limit), lambda: self.provider.change_limits(**none))

    def _wrong(self, what: str, begin: Callable[[], object], end: Callable[[], object]) -> None:
        if what in self._wrong_with_provider:
            return
        self._wrong_with_provider.add(what)
        begin()

        def heal() -> None:
            self._wrong_with_provider.discard(what)
            end()

        self._later(heal)

    faults = (
        _kill_worker,
        _drain_worker,
        _stop_worker,
        _kill_api,
        _cut_redis,
        _freeze_redis,
        _erase_redis,
        _cut_database,
        _freeze_database,
        _refuse_database,
        _swallow_a_commit,
        _cut_upstream,
        _attack,
    )
    provider_faults = (_lose_provider, _cut_every_stream, _spend_credit, _reject_key, _limit_provider)

    def _take_worker(self) -> Process:
        self.cut_streams += STREAMS
        return self.workers.pop(self.chance.randrange(len(self.workers)))


def test_soak(stack: Stack, upstream: ServedSimulator) -> None:
    """Nothing is lost, nothing is stored twice, and every watcher is exact."""
    minutes = float(os.environ.get("MINUTES", "2"))
    seed = int(os.environ.get("SEED") or random.randrange(1_000_000))
    print(f"\nsoak of {minutes:g} minutes, SEED={seed}")
    url = httpx.URL(upstream.url)
    with faults_before((url.host, url.port or 80)) as line:
        stack.upstream_url = f"http://127.0.0.1:{line.port}/v1"
        soak = Soak(stack, upstream, line, seed)
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            soak.turn()
        soak.heal_due(all_of_them=True)
        stack.wait_final(300)
        watchers = stack.watchers
        seen = upstream.stats()
        explained = soak.jobs + soak.cut_streams + seen["cut"] + line.counts["cut"] + sum(seen["refused"].values())
        tally = check(stack, upstream, watchers=watchers, most_calls=explained, watch_seconds=60)
    soak.elders.check_memory()
    for name, count in sorted((soak.done + soak.elders.attacks).items()):
        print(f"{name:<28}{count:>8}")
    print(f"{'jobs':<28}{soak.jobs:>8}")
    for status in sorted(FINAL):
        print(f"{'  ' + status:<28}{tally.statuses[status]:>8}")
    for name in ("attempts", "calls", "lost", "released", "failed", "resets", "reconnects"):
        print(f"{name:<28}{getattr(tally, name):>8}")
    print(f"{'watchers, all exact':<28}{len(watchers):>8}")
    assert sum(tally.statuses.values()) == soak.jobs
    assert tally.statuses[JobStatus.COMPLETED] + tally.statuses[JobStatus.CANCELLED] > 0.9 * soak.jobs

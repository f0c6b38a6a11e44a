"""Plays a mix: the real rounds, reservations, claims, reports and ends, on a clock that jumps from event to event."""

import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from unittest import mock

from jobs.dispatch.lanes import Lanes
from jobs.intake.submission import BatchOptions, NewJob, submit_batch
from jobs.lifecycle import transitions
from jobs.lifecycle.lease import Claimed, claim, claim_many
from jobs.model.endings import MAX_CRASHES, JobError
from jobs.store.database import Database
from jobs.upstreams import Upstreams, UpstreamSpec
from tests.fairness.mixes import Mix
from tests.fairness.running import Text, Worker
from tests.fairness.seen import Log, Seen
from tests.store.reserving import HINT_SECONDS
from tests.store.store_fixtures import USAGE, Clock, written
from worker.reports import LaneReporter, Sent
from worker.upstream.ending import Ending, ReportedUsage
from worker.upstream.errors import Rejected, ServerError

UPSTREAM = "default"
HINT_TAKES, FAILS_AFTER = 0.01, 0.05
SHORTEST_ROUND, LONGEST_ROUND = 0.02, 1.0
RESCUED_AFTER = 20.0
LEASE = 1e7


class Play:
    def __init__(self, database: Database, mix: Mix) -> None:
        self.mix, self.clock, self.dice = mix, Clock(), random.Random(mix.seed)
        self.database = Database(database.engine, self.clock)
        self.start = self.clock.now
        limits = {"max_streams": mix.max_streams, "requests_per_minute": mix.requests_per_minute}
        self.spec = UpstreamSpec(name=UPSTREAM, url="", tokens_per_minute=mix.tokens_per_minute, **limits)  # type: ignore[arg-type]
        weights = {f"p{place}": one.weight for place, one in enumerate(mix.members)}
        self.upstreams = Upstreams((self.spec,), weights)
        self.now, self.number, self.events = 0.0, itertools.count(), list[tuple[float, int, Callable[[], None]]]()
        self.hints: deque[str] = deque()
        self.texts: dict[str, Text] = {}
        self.waiting = Counter[int]()
        self.models = [self._models_of(place) for place in range(len(mix.members))]
        self.next_model = [itertools.cycle(models) for models in self.models]
        self.log = Log(len(mix.members))
        self.workers = [self._worker(streams) for streams in mix.workers]

    def _models_of(self, place: int) -> list[str]:
        member = self.mix.members[place]
        own = [f"m{place}-{number}" for number in range(member.models)]
        return [*own, "common"] if member.has_common or not own else own

    def _worker(self, streams: int) -> Worker:
        lanes = Lanes(self.database, HINT_SECONDS, lambda: self.upstreams)
        worker = Worker(streams, lanes, LaneReporter(lanes, self.clock, lambda: None))
        worker.reporter.wake = lambda: self.wake(worker)
        return worker

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.events, (seconds, next(self.number), action))

    def run(self) -> Seen:
        for place, member in enumerate(self.mix.members):
            self.at(member.from_second, lambda place=place: self.arrive(place))  # type: ignore[misc]
        for at in self.mix.restarts:
            self.at(at, self.restart)
        for worker in self.workers:
            self.wake(worker)
        with virtual_rounds(self.mix.turn_seconds):
            while self.events and self.events[0][0] <= self.mix.seconds:
                at, _, action = heapq.heappop(self.events)
                self.now = at
                self.clock.now = self.start
                self.clock.advance(at)
                action()
        return self.log.seen(self.mix, {text.claimed.job.id: (text.member, text.begun) for text in self.texts.values()})

    def arrive(self, place: int) -> None:
        """More of its texts are due."""
        member = self.mix.members[place]
        if self.waiting[place] == 0:
            self.log.came.setdefault(place, (self.now, len(self.log.begun)))
        if member.a_second is None:
            most = max(2 * self.mix.streams, len(self.models[place]), 10)
            self.submit(place, 2 * most - self.waiting[place])
        else:
            self.submit(place, 1)
            self.at(self.now + self.dice.expovariate(member.a_second), lambda: self.arrive(place))

    def submit(self, place: int, count: int) -> None:
        member = self.mix.members[place]
        content = "word" * member.prompt
        some = [
            NewJob({"model": next(self.next_model[place]), "messages": [{"role": "user", "content": content}],
                    "max_tokens": member.output}, max_attempts=10)
            for _ in range(count)
        ]  # fmt: skip
        submit_batch(self.database, some, BatchOptions(project=f"p{place}"))
        self.waiting[place] += count
        for worker in self.workers:
            self.wake(worker)

    def wake(self, worker: Worker, at: float | None = None) -> None:
        at = max(self.now, worker.last_round + SHORTEST_ROUND) if at is None else at
        if worker.round_at is None or at < worker.round_at:
            worker.round_at = at
            self.at(at, lambda: self.round(worker, at))

    def round(self, worker: Worker, at: float) -> None:
        if worker.is_dead or worker.round_at != at:
            return
        worker.round_at, worker.last_round = None, self.now
        done = worker.lanes.reserve(worker.streams - len(worker.running), MAX_CRASHES)
        if done.reserved:
            ids = list(done.reserved)
            self.at(self.now + HINT_TAKES, lambda: self.take_hints(ids))
        until = LONGEST_ROUND
        if done.look_at is not None:
            until = min(until, (done.look_at - self.clock()).total_seconds())
        if len(self.texts) >= self.mix.streams or len(worker.running) >= worker.streams:
            until = LONGEST_ROUND  # the end of a text wakes it
        self.wake(worker, max(self.now + until, self.now + SHORTEST_ROUND))

    def take_hints(self, more: Sequence[str] = ()) -> None:
        self.hints.extend(more)
        takes: list[tuple[str, Worker]] = []
        free = {id(one): one.streams - len(one.running) for one in self.workers if not one.is_dead}
        while self.hints:
            able = [one for one in self.workers if free.get(id(one), 0) > 0]
            if not able:
                break
            worker = self.dice.choice(able)
            free[id(worker)] -= 1
            takes.append((self.hints.popleft(), worker))
        if not takes:
            return
        claims = claim_many(self.database, [job_id for job_id, _ in takes], "w", LEASE)
        for (job_id, worker), claimed in zip(takes, claims, strict=True):
            begun = claimed or claim(self.database, job_id, "w", LEASE)
            if begun is not None:
                self.begin(begun, worker)

    def begin(self, claimed: Claimed, worker: Worker) -> None:
        job_id, place = claimed.job.id, int(claimed.job.project[1:])
        assert job_id not in self.texts, "a job runs twice"
        self.texts[job_id] = text = Text(claimed, place, worker, self.now)
        worker.running.add(job_id)
        self.waiting[place] -= 1
        self.log.first.setdefault(place, (self.now, len(self.log.begun)))
        self.log.begun.append((self.now, place))
        member = self.mix.members[place]
        most = max(2 * self.mix.streams, len(self.models[place]), 10)
        if member.a_second is None and self.waiting[place] < most:
            self.arrive(place)
        sends = (claimed.send_at - self.start).total_seconds() if claimed.send_at else self.now
        self.at(max(self.now, sends), lambda: self.send(text))

    def send(self, text: Text) -> None:
        if text.worker.is_dead or self.texts.get(text.claimed.job.id) is not text:
            return
        member = self.mix.members[text.member]
        unplanned = None if text.part == 1 else member.prompt + member.output
        sent = text.sent = text.worker.reporter.send(text.claimed, text.used, unplanned)
        self.log.requested.append((self.now, text.member, member.prompt + member.output))
        roll = self.dice.random()
        if text.part == 1 and roll < member.fails + member.retries:
            self.at(self.now + FAILS_AFTER, lambda: self.fail(text, is_retried=roll >= member.fails))
            return
        spread = 1.0 + self.dice.uniform(-member.spread, member.spread)
        takes = max(0.02, spread * member.seconds / member.parts)
        if text.part == 1 and self.dice.random() < member.cancels:
            self.at(self.now + takes * member.parts / 2, lambda: self.cancel(text))
        self.at(self.now + min(FAILS_AFTER, takes / 2), lambda: self.accept(text, sent))
        self.at(self.now + takes, lambda: self.end(text, sent))

    def _is_live(self, text: Text, sent: Sent) -> bool:
        return not text.worker.is_dead and self.texts.get(text.claimed.job.id) is text and text.sent is sent

    def accept(self, text: Text, sent: Sent) -> None:
        if self._is_live(text, sent):
            sent.accept()

    def end(self, text: Text, sent: Sent) -> None:
        if not self._is_live(text, sent):
            return
        member = self.mix.members[text.member]
        usage = ReportedUsage(member.prompt, None, member.output, None, member.prompt + member.output)
        sent.close()
        sent.end(Ending("stop", usage, None, None))
        if text.part < member.parts:
            text.part += 1
            self.send(text)
            return
        own = (self.database, text.claimed.job.id, text.claimed.attempt)
        assert transitions.finish(*own, written("text", usage=USAGE))
        self.leave(text)

    def fail(self, text: Text, *, is_retried: bool) -> None:
        if text.sent is None or not self._is_live(text, text.sent):
            return
        kind = ServerError if is_retried else Rejected
        text.sent.close()
        text.sent.end(kind("no", status=500 if is_retried else 400))
        own = (self.database, text.claimed.job.id, text.claimed.attempt, written(), JobError("upstream_error", "no"))
        if is_retried and text.claimed.job.failures < 9:
            assert transitions.retry(*own, self.clock.after(self.dice.uniform(0, 4)))
            self.waiting[text.member] += 1
        else:
            assert transitions.fail(*own)
        self.leave(text)

    def cancel(self, text: Text) -> None:
        if text.sent is None or not self._is_live(text, text.sent):
            return
        text.sent.close()
        text.sent.end(None)
        assert transitions.cancel_running(self.database, text.claimed.job.id, text.claimed.attempt, written())
        self.leave(text)

    def leave(self, text: Text) -> None:
        self.texts.pop(text.claimed.job.id)
        text.worker.running.discard(text.claimed.job.id)
        self.log.used[text.member].append((text.begun, self.now))
        text.worker.reporter.end_turn(text.claimed, text.used, self.start + timedelta(seconds=text.begun))
        self.wake(text.worker)
        self.take_hints()

    def restart(self) -> None:
        """A worker is killed. Its jobs are rescued later, and another worker begins at once."""
        dead = self.workers[place := self.dice.randrange(len(self.workers))]
        dead.is_dead = True
        lost = [self.texts[job_id] for job_id in dead.running]
        self.at(self.now + RESCUED_AFTER, lambda: self.rescue(lost))
        self.workers[place] = self._worker(dead.streams)
        self.wake(self.workers[place])

    def rescue(self, lost: Sequence[Text]) -> None:
        for text in lost:
            self.texts.pop(text.claimed.job.id)
            self.log.used[text.member].append((text.begun, self.now))
            transitions.release(self.database, text.claimed.job.id, text.claimed.attempt, written())
            self.waiting[text.member] += 1
        for worker in self.workers:
            self.wake(worker)


@contextmanager
def virtual_rounds(turn_seconds: float) -> Iterator[None]:
    """What a turn takes decides how many a round has: so long by this clock, whatever the machine does."""
    ticks = map(turn_seconds.__mul__, itertools.count())
    with mock.patch("jobs.dispatch.lanes.monotonic", partial(next, ticks)):
        yield

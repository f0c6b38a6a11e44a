"""Plays a mix: the real rounds, reservations, claims, reports and ends, on a clock that jumps from event to event."""

import heapq
import itertools
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from unittest import mock

from jobs.dispatch.lanes import Lanes
from jobs.dispatch.upstream_holds import free_probes
from jobs.intake.submission import BatchOptions, NewJob, submit_batch
from jobs.lifecycle import transitions
from jobs.lifecycle.lease import Claimed, claim, claim_many
from jobs.model.endings import MAX_CRASHES
from jobs.store.database import Database
from jobs.upstreams import Upstreams, UpstreamSpec
from tests.fairness.mixes import Mix
from tests.fairness.owed import Loss
from tests.fairness.running import Text, Worker
from tests.fairness.seen import Log, Seen
from tests.fairness.sending import Sending
from tests.store.reserving import HINT_SECONDS
from tests.store.store_fixtures import Clock, written
from worker.reports import LaneReporter

HINT_TAKES = 0.01
SHORTEST_ROUND, LONGEST_ROUND = 0.02, 1.0
RESCUED_AFTER = 20.0
LEASE = 1e7


class Play:
    def __init__(self, database: Database, mix: Mix) -> None:
        self.mix, self.clock, self.dice = mix, Clock(), random.Random(mix.seed)
        self.database = Database(database.engine, self.clock)
        self.start = self.clock.now
        weights = {f"p{place}": one.weight for place, one in enumerate(mix.members)}
        self.upstreams = Upstreams(tuple(map(self._spec_of, range(len(mix.upstreams)))), weights)
        self.now, self.number, self.events = 0.0, itertools.count(), list[tuple[float, int, Callable[[], None]]]()
        self.hints: deque[str] = deque()
        self.texts: dict[str, Text] = {}
        self.models = [self._models_of(place) for place in range(len(mix.members))]
        self.next_model = [itertools.cycle(models) for models in self.models]
        self.waiting = [Counter[str]() for _ in mix.members]
        self.log = Log(len(mix.members))
        self.sending = Sending(self)
        self.workers = [self._worker(streams) for streams in mix.workers]

    def _spec_of(self, place: int) -> UpstreamSpec:
        one, members = self.mix.upstreams[place], enumerate(self.mix.members)
        own = [f"m{number}-*" for number, member in members if not member.upstreams or place in member.upstreams]
        limits = {"max_streams": one.max_streams, "requests_per_minute": one.requests_per_minute}
        models = ("common", *own)
        return UpstreamSpec(name=f"u{place}", url="", models=models, tokens_per_minute=one.tokens_per_minute, **limits)  # type: ignore[arg-type]

    def _models_of(self, place: int) -> list[str]:
        member = self.mix.members[place]
        own = [f"m{place}-{number}" for number in range(member.models)]
        return [*own, "common"] if member.uses_common else own

    def _worker(self, streams: int) -> Worker:
        lanes = Lanes(self.database, HINT_SECONDS, lambda: self.upstreams)
        worker = Worker(streams, lanes, LaneReporter(lanes, self.clock, lambda: None))
        worker.reporter.wake = lambda: self.wake(worker)
        return worker

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.events, (seconds, next(self.number), action))

    def run(self) -> Seen:
        for place, member in enumerate(self.mix.members):
            self.at(member.from_second, partial(self.arrive, place))
        for at in self.mix.restarts:
            self.at(at, self.restart)
        for outage in self.mix.outages:
            self.at(outage.begins, partial(self.sending.break_off, outage.upstream))
        for worker in self.workers:
            self.wake(worker)
        with virtual_rounds(self.mix.turn_seconds, lambda: self.now), same_each_time(self.dice):
            while self.events and self.events[0][0] <= self.mix.seconds:
                at, _, action = heapq.heappop(self.events)
                self.now = at
                self.clock.now = self.start
                self.clock.advance(at)
                action()
        for text in self.texts.values():
            if not text.worker.is_dead:
                self.log.streams[text.member].append((text.begun, self.mix.seconds))
        return self.log.seen(self.mix)

    def arrive(self, place: int) -> None:
        """More of its texts are due."""
        member, waiting = self.mix.members[place], self.waiting[place]
        if waiting.total() == 0:
            self.log.came.setdefault(place, (self.now, len(self.log.begun)))
        if member.a_second is None:
            most = 2 * self._fewest(place)
            self.submit(place, [model for model in self.models[place] for _ in range(most - waiting[model])])
        else:
            self.submit(place, [next(self.next_model[place])])
            self.at(self.now + self.dice.expovariate(member.a_second), partial(self.arrive, place))

    def _fewest(self, place: int) -> int:
        """With so many texts for each of its models one that always has some is never short of them."""
        return 1 + max(2 * self.mix.streams, 10) // len(self.models[place])

    def submit(self, place: int, models: Sequence[str]) -> None:
        member = self.mix.members[place]
        content, most = "word" * member.prompt, 10_000 if member.large else member.parts - 1 or None
        some = [
            NewJob({"model": model, "messages": [{"role": "user", "content": content}],
                    "max_tokens": member.output}, max_attempts=10, max_continuations=most)
            for model in self._in_turn(models)
        ]  # fmt: skip
        submit_batch(self.database, some, BatchOptions(project=f"p{place}"))
        self.waiting[place].update(models)
        for worker in self.workers:
            self.wake(worker)

    def _in_turn(self, models: Sequence[str]) -> list[str]:
        """One of each, then the next of each."""
        seen = Counter[str]()
        rank = [(seen.update([model]) or seen[model], place) for place, model in enumerate(models)]
        return [models[place] for _, place in sorted(rank)]

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
        job, place = claimed.job, int(claimed.job.project[1:])
        assert job.id not in self.texts, "a job runs twice"
        self.texts[job.id] = text = Text(claimed, place, worker, self.now)
        if (
            sum(one.member == place and one.large_tokens > 0 for one in self.texts.values())
            < self.mix.members[place].large
        ):
            text.large_tokens = self.mix.members[place].large_tokens
        worker.running.add(job.id)
        if job.max_continuations:
            worker.lanes.parts.texts[claimed.upstream, job.project] += 1
        self.waiting[place][job.model] -= 1
        self.log.begin(place, self.now)
        if self.mix.members[place].a_second is None and self.waiting[place][job.model] < self._fewest(place):
            self.arrive(place)
        sends = (claimed.send_at - self.start).total_seconds() if claimed.send_at else self.now
        self.at(max(self.now, sends), partial(self.sending.send, text))

    def leave(self, text: Text) -> None:
        """One that is tried again later does not count among those that wait: it is not due for up to a minute."""
        job = text.claimed.job
        self.texts.pop(job.id)
        text.worker.running.discard(job.id)
        if job.max_continuations:
            text.worker.lanes.parts.texts[text.claimed.upstream, job.project] -= 1
        self.log.streams[text.member].append((text.begun, self.now))
        began_at, seconds = self.start + timedelta(seconds=text.begun), self.now - text.begun
        text.worker.reporter.end_turn(text.claimed, text.used, began_at, seconds)
        self.wake(text.worker)
        self.take_hints()

    def restart(self) -> None:
        """A worker is killed. Its jobs are rescued later, and another worker begins at once."""
        dead = self.workers[place := self.dice.randrange(len(self.workers))]
        dead.is_dead = True
        lost = [self.texts[job_id] for job_id in sorted(dead.running)]
        for text in lost:
            self.log.streams[text.member].append((text.begun, self.now))
            self.log.losses.append(Loss(text.upstream, self.now, self.now + RESCUED_AFTER, 1.0))
        self.at(self.now + RESCUED_AFTER, partial(self.rescue, lost))
        self.workers[place] = self._worker(dead.streams)
        self.wake(self.workers[place])

    def rescue(self, lost: Sequence[Text]) -> None:
        for text in lost:
            self.texts.pop(text.claimed.job.id)
            transitions.release(self.database, text.claimed.job.id, text.claimed.attempt, written())
            self.waiting[text.member][text.claimed.job.model] += 1
        free_probes(self.database, [text.claimed.job.id for text in lost])
        for worker in self.workers:
            self.wake(worker)


@contextmanager
def virtual_rounds(turn_seconds: float, now: Callable[[], float]) -> Iterator[None]:
    """What a turn takes decides how many a round has: so long by this clock, whatever the machine does. Texts run by
    the time of the play.
    """
    ticks = map(turn_seconds.__mul__, itertools.count())
    with (
        mock.patch("jobs.dispatch.lanes.monotonic", partial(next, ticks)),
        mock.patch("jobs.dispatch.running_turns.monotonic", now),
        mock.patch("worker.reports.monotonic", now),
    ):
        yield


@contextmanager
def same_each_time(dice: random.Random) -> Iterator[None]:
    """The ids of jobs and the backoffs are drawn with these dice, so a number is the same play each time."""
    with ExitStack() as patched:
        patched.enter_context(mock.patch("jobs.model.ids.secrets.token_hex", lambda size: dice.randbytes(size).hex()))
        patched.enter_context(mock.patch("worker.failed_attempts.random.uniform", dice.uniform))
        yield

"""Projects in a lane with a limit of tokens: who asks for many keeps nobody out."""

from collections import Counter
from dataclasses import dataclass, field, replace
from statistics import median

import pytest
from sqlalchemy import select

from jobs.dispatch.holds import read_holds
from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.part_queues import LastRequest, WaitingPart
from jobs.dispatch.turn_costs import STILL_SHORT_SECONDS, Ended
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.dispatch.waiting import find_why_waiting
from jobs.intake.submission import BatchOptions, NewJob, submit_batch, submit_job
from jobs.lifecycle.transitions import finish, hold_back
from jobs.model.endings import MAX_CRASHES
from jobs.model.records import Job
from jobs.pace.reports import Accepted, Finished, Unplanned
from jobs.store.database import Database
from jobs.tables import jobs
from jobs.upstreams import UpstreamSpec
from tests.store.failing import fail
from tests.store.reserving import HINT_SECONDS, lanes_of, reserve_at, take_due, upstream
from tests.store.store_fixtures import REFUSED, USAGE, Store, new_job, store, written

__all__ = ["store"]  # a fixture

LIMITED = upstream("default", tokens_per_minute=200_000)


def asking(max_tokens: int | None = None, prompt: int = 0, model: str = "m1") -> NewJob:
    """A job that allows so many tokens, and whose prompt has so many."""
    messages = [{"role": "user", "content": "a b " * prompt}]
    limit = {} if max_tokens is None else {"max_tokens": max_tokens}
    return replace(new_job(), request={**new_job().request, "model": model, "messages": messages, **limit})


@dataclass
class Worker:
    """A process whose requests take a time and tokens by their project."""

    store: Store
    takes: dict[str, tuple[float, int]]
    """Seconds and tokens."""
    turn_seconds: float = 0.2
    spec: UpstreamSpec = LIMITED
    parts: dict[str, int] = field(default_factory=dict)
    """Of those whose texts are continued: of how many requests each is. They take as long, each."""
    waited: dict[str, list[float]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    running: list[tuple[float, str, float, int, int]] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    streams: int = 100
    parts_due: list[tuple[str, int, float, WaitingPart]] = field(default_factory=list)
    """The job of each, its number, its place or 0."""
    claimed: dict[str, Job] = field(default_factory=dict)
    """As each was when it was claimed: to read those of all waiting parts in each turn took most of the time."""

    def __post_init__(self) -> None:
        self.lanes = lanes_of(self.store.database, HINT_SECONDS, self.spec, **self.weights)

    def turn(self) -> None:
        now = self.store.clock.now.timestamp()
        ended = [one for one in self.running if one[0] <= now]
        self.running = [one for one in self.running if one[0] > now]
        for at, job_id, sent_at, reserved, part in ended:
            job = self.claimed[job_id]
            seconds, used = self.takes[job.project]
            parts = self.parts.get(job.project, 1)
            costs = [Ended(job.project, parts * seconds, parts * used, parts, reserved)] if part == parts else []
            finished = Finished(sent_at, at, reserved, used, min(50, used))
            self.lanes.note(("default", job.model), LaneNews([finished], costs))
            if part < parts:
                waiting = WaitingPart(("default", job.model), job.project, used, LastRequest(used, sent_at), now)
                self.lanes.parts.waiting.join(waiting)
                self.parts_due.append((job_id, part + 1, 0.0, waiting))
                continue
            assert finish(self.store.database, job_id, job.attempt, written("text", usage=USAGE))
        due, self.parts_due = self.parts_due, []
        texts = [*(one[1] for one in self.running), *(one[0] for one in due)]
        own = Counter(("default", self.claimed[job_id].project) for job_id in texts)
        self.lanes.parts.texts = Counter({of: count for of, count in own.items() if self.parts.get(of[1], 1) > 1})
        for one in due:
            self._send_part(now, *one)
        in_flight = len(self.running) + len(self.parts_due)
        for job_id in reserve_at(now, self.lanes, self.streams - in_flight):
            claimed = self.store.claim(job_id)
            job = self.claimed[job_id] = claimed.job
            seconds, _ = self.takes[job.project]
            self.waited.setdefault(job.project, []).append(now - job.created_at.timestamp())
            self._send(job, (now + seconds, job_id, now, claimed.reserved_tokens, 1))
        self.store.clock.advance(self.turn_seconds)

    def _send_part(self, now: float, job_id: str, part: int, at: float, waiting: WaitingPart) -> None:
        if not at:
            place = self.lanes.parts.book(waiting)
            at = now + place.seconds if place.is_booked else 0.0
            self.lanes.note(waiting.key, LaneNews([Unplanned(at, waiting.tokens)] if place.is_booked else []))
            if place.is_booked:
                self.lanes.parts.waiting.leave(waiting)
        if 0 < at <= now:
            job, (seconds, _) = self.claimed[job_id], self.takes[waiting.project]
            self._send(job, (now + seconds, job_id, now, waiting.tokens, part))
        else:
            self.parts_due.append((job_id, part, at, waiting))

    def _send(self, job: Job, request: tuple[float, str, float, int, int]) -> None:
        now = request[2]
        self.requests[job.project] += 1
        self.running.append(request)
        in_flight = max(1, self.lanes.in_flight(("default", job.model)))
        self.lanes.note(("default", job.model), LaneNews([Accepted(now, now + 0.05, 0.05, in_flight)]))

    def run_beside(self, seconds: int, greedy: int) -> None:
        """`alpha` has so many requests of a million tokens waiting, and `beta` submits a small one each second."""
        asks = asking(max_tokens=1_000_000, prompt=self.takes["alpha"][1] - 50)
        submit_batch(self.store.database, [asks] * greedy, BatchOptions(project="alpha"))
        for _ in range(seconds):
            submit_job(self.store.database, asking(max_tokens=100), project="beta")
            for _ in range(round(1 / self.turn_seconds)):
                self.turn()


@pytest.mark.parametrize(
    ("alpha", "longest"),
    [((0.1, 50), 1.5), ((60.0, 50), 5.5), ((0.1, 20_000), 9.0)],
    ids=["short", "slow", "with long prompts"],
)
def test_requests_of_a_million_tokens_keep_no_other_project_waiting(
    sqlite_database: Database, alpha: tuple[float, int], longest: float
) -> None:
    """Before, one of them stopped the lane for minutes, and two hundred for good."""
    worker = Worker(Store(sqlite_database), {"alpha": alpha, "beta": (0.1, 100)})
    worker.run_beside(40, greedy=50)
    assert len(worker.waited["beta"]) >= 40 - longest
    assert median(worker.waited["beta"]) <= 0.75 * longest
    assert max(worker.waited["beta"]) <= longest
    assert worker.waited["alpha"], "they go, too"


def test_where_tokens_are_scarce_projects_share_these_and_not_the_time(sqlite_database: Database) -> None:
    """By seconds, the one with long prompts and short answers had nearly all of them."""
    sizes = {"long": (0.2, 10_000), "slow": (2.0, 1_000)}
    worker = Worker(Store(sqlite_database), sizes)
    for project, (_, tokens) in sizes.items():
        submit_batch(worker.store.database, [asking(prompt=tokens - 50)] * 300, BatchOptions(project=project))
    for _ in range(300):
        worker.turn()
    used = {project: len(waited) * sizes[project][1] for project, waited in worker.waited.items()}
    assert 0.4 <= used["long"] / sum(used.values()) <= 0.6
    assert sum(used.values()) >= 0.9 * 200_000, "and the limit is used"


def test_requests_that_seem_to_need_a_minutes_tokens_and_use_few_get_their_share_of_the_time(
    sqlite_database: Database,
) -> None:
    """Before, the others had a third of what they had alone, and less with each further project of that kind."""
    sizes = {"small": (2.0, 2_000), "large": (20.0, 800)}
    worker = Worker(Store(sqlite_database), sizes, turn_seconds=0.5)
    submit_batch(worker.store.database, [asking(prompt=1_950)] * 400, BatchOptions(project="small"))
    _run(worker, 60)
    alone = len(worker.waited["small"])
    submit_batch(worker.store.database, [asking(prompt=200_000)] * 20, BatchOptions(project="large"))
    _run(worker, 120)
    assert 1 <= len(worker.waited["large"]) <= 4
    assert len(worker.waited["small"]) - alone >= 0.75 * alone, (
        "half of twice the time, but for the first of the others"
    )


@pytest.mark.parametrize(("short", "others"), [("tokens", 1), ("requests", 1), ("tokens", 2), ("streams", 1)])
def test_the_parts_of_a_text_wait_for_their_share_of_what_others_wait_for(
    sqlite_database: Database, short: str, others: int
) -> None:
    """Where streams alone are short, parts take nothing from anybody: texts stood idle for most of their time."""
    spec = upstream("default", max_streams=10, tokens_per_minute=60_000, requests_per_minute=120)
    sizes = {"tokens": (1.0, 4_000), "requests": (1.0, 100), "streams": (60.0, 100)}
    projects = [f"other-{number}" for number in range(others)]
    worker = Worker(Store(sqlite_database), dict.fromkeys(["mine", *projects], sizes[short]), spec=spec)
    jobs_of = [asking(prompt=sizes[short][1] - 50)] * 60
    submit_job(worker.store.database, jobs_of[0], project="mine")
    worker.turn()
    for project in projects:
        submit_batch(worker.store.database, jobs_of, BatchOptions(project=project))
    worker.takes["mine"] = (10_000.0, 0)
    [(at, job_id, sent_at, reserved, number)] = worker.running
    worker.running = [(at + 10_000, job_id, sent_at, reserved, number)]
    _run(worker, 30 if short == "streams" else 10)  # until all streams are taken
    of_limit = worker.lanes.parts.least_seconds

    def least(tokens: int) -> float:
        return max(of_limit(limit, "mine", tokens) for limit in (("default", "m1"), ("default", ALL_MODELS)))

    share = 1 / (1 + others)
    seconds = {"tokens": 4_000 / (985 * share), "requests": 1 / (1.97 * share), "streams": 0.0}[short]
    used = {"tokens": 4_000, "requests": 100, "streams": 4_000}[short]
    assert least(used) == pytest.approx(seconds, rel=0.05)
    worker.store.clock.advance(STILL_SHORT_SECONDS - 1)  # for a moment there may be some
    assert least(used) == pytest.approx(seconds, rel=0.05)
    worker.store.clock.advance(2)
    assert least(used) == 0


def _run(worker: Worker, seconds: int) -> None:
    for _ in range(round(seconds / worker.turn_seconds)):
        worker.turn()


@pytest.mark.parametrize("already", [0, 20])
def test_where_requests_are_scarce_projects_share_these_and_not_the_time(
    sqlite_database: Database, already: int
) -> None:
    """By seconds, the one with short texts had nearly all of them; or else none, if it came first to a new lane."""
    limited = upstream("default", requests_per_minute=120)
    sizes = {"short": (0.02, 50), "slow": (8.0, 200)}
    worker = Worker(Store(sqlite_database), sizes, spec=limited)
    submit_batch(worker.store.database, [asking()] * 300, BatchOptions(project="slow"))
    for _ in range(5 * already):
        worker.turn()
    before = {project: len(waited) for project, waited in worker.waited.items()}
    submit_batch(worker.store.database, [asking()] * 300, BatchOptions(project="short"))
    for _ in range(300):
        worker.turn()
    had = {project: len(waited) - before.get(project, 0) for project, waited in worker.waited.items()}
    assert 0.4 <= had["slow"] / sum(had.values()) <= 0.6, had
    assert sum(had.values()) >= 0.75 * 120


def test_a_job_that_waits_for_tokens_says_so_and_stores_what_it_takes(store: Store) -> None:
    worker, asks = Worker(store, {"default": (60.0, 50)}), asking(max_tokens=1_000_000)
    first = submit_job(store.database, asks).id
    worker.turn()
    with store.database.read() as connection:
        tokens = connection.scalar(select(jobs.c.reserved_tokens).where(jobs.c.id == first))
    assert tokens is not None
    assert 1000 < tokens < 200_000 / 10
    waits = submit_job(store.database, asks).id
    worker.turn()
    assert find_why_waiting(store.database, [waits], [LIMITED], HINT_SECONDS)[waits].limited_by == "tokens"


def test_a_probe_goes_although_there_are_no_tokens_and_takes_none(store: Store) -> None:
    """Before, it gave back at its end what it had not taken."""
    first, probe = store.submit(), store.submit()
    lanes = lanes_of(store.database, HINT_SECONDS, LIMITED)
    assert take_due(store.database, 1, HINT_SECONDS) == [first]
    store.claim(first)
    fail(store, first, "away")
    hold_back(store.database, first, 1, written(), REFUSED, store.clock.now, refused=False)
    [hold] = read_holds(store.database)
    assert hold.probe_at is not None
    store.clock.now = hold.probe_at
    sent_at = store.clock.now.timestamp()
    lanes.note(("default", "m1"), LaneNews([Finished(sent_at, sent_at, 0, 10**6, 50)]))
    reserved = lanes.reserve(10, MAX_CRASHES).reserved
    assert reserved in ([first], [probe])
    with store.database.read() as connection:
        assert connection.scalar(select(jobs.c.reserved_tokens).where(jobs.c.id == reserved[0])) == 0

"""The steps of a life of a few jobs under several workers, each done to a store and to what is expected of it.

Crashes are workers that never speak again; zombies are attempts that speak after they were rescued; unknown commits are
transitions that are done twice.
"""

from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jobs.intake.submission import NewJob, submit_batch, submit_job
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.close_batch import close_batch, close_batches
from jobs.lifecycle.lease import Checkpoint, claim, renew
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued, rescue_lost
from jobs.store.queries import read_batch
from jobs.tables import metadata
from tests.store.drawn_jobs import ENDINGS, JOBS, PLACES, TEXTS, TURNS, WORKERS
from tests.store.expected_job import ExpectedJob, assert_rows_say, named
from tests.store.reserving import reserve, take_due
from tests.store.store_fixtures import LEASE, Store, new_job, written

HINT_SECONDS = 30.0


class JobLife(RuleBasedStateMachine):
    """A store, what is expected of it, and every attempt that was ever given."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store, self.database, self.clock = store, store.database, store.clock
        with self.database.write() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
        self.jobs: dict[str, ExpectedJob] = {}
        self.batches: dict[str, bool] = {}
        """Whether each has been settled."""
        self.cancelled: set[str] = set()
        self.given: list[tuple[str, int, str]] = []
        self.ended: dict[str, Any] = {}
        """The rows of the jobs and batches that have ended, as they were first seen."""

    def expect(self, job: NewJob, batch_id: str | None) -> ExpectedJob:
        limits = (job.max_attempts, job.on_interrupt, job.expires_at)
        return ExpectedJob(batch_id, job.request["model"], *limits, self.clock.now)

    def new_job(self, *, lasts: int | None, **options: Any) -> NewJob:
        return new_job(expires_at=None if lasts is None else self.clock.after(lasts), **options)

    @precondition(lambda self: len(self.jobs) < 4)  # few jobs with long lives tell more than many with short ones
    @rule(told=JOBS)
    def submit(self, told: dict[str, Any]) -> None:
        job = self.new_job(**told)
        self.jobs[submit_job(self.database, job).id] = self.expect(job, None)

    @precondition(lambda self: len(self.jobs) < 3)
    @rule(several=st.lists(JOBS, min_size=1, max_size=3))
    def submit_batch(self, several: list[dict[str, Any]]) -> None:
        new_jobs = [self.new_job(**told) for told in several]
        batch_id = submit_batch(self.database, new_jobs).id
        self.batches[batch_id] = False
        for job_id, job in zip(self.store.ids(batch_id), new_jobs, strict=True):
            self.jobs[job_id] = self.expect(job, batch_id)

    def claim(self, place: int, worker: str) -> None:
        ready = [one for one, job in self.jobs.items() if job.is_due(self.clock.now)]
        if ready and place % 5:
            job_id = ready[place % len(ready)]
            reserve(self.database, job_id)
            self.jobs[job_id].reserve(self.clock.now)
        else:  # of these nobody knows whether they are reserved
            job_id = self.job_at(place)
        job, before = self.jobs[job_id], self.store.rows()
        claimed = claim(self.database, job_id, worker, LEASE)
        if job.is_due(self.clock.now) and job.is_reserved:
            job.claim(worker, self.clock.now)
            self.given.append((job_id, job.attempt, worker))
        else:
            assert claimed is None
            if job.status == "queued":
                job.hinted_at = None
            else:
                assert self.store.rows() == before
            return
        assert claimed is not None
        assert (claimed.attempt, claimed.text) == (job.attempt, job.left_text())

    @precondition(lambda self: self.given)
    @rule(worker=WORKERS, text=st.none() | TEXTS)
    def renew(self, worker: str, text: str | None) -> None:
        """Also with attempts that this worker lost long ago: it may not know."""
        mine = [(job_id, attempt) for job_id, attempt, of in self.given if of == worker]
        held = {job_id for job_id, attempt in mine if self.jobs[job_id].holds(attempt)}
        running = [
            Checkpoint(job_id, attempt, None if text is None else f"{attempt}{text}") for job_id, attempt in mine
        ]
        assert renew(self.database, worker, running, LEASE) == held
        for job_id in held:
            job = self.jobs[job_id]
            job.renew(None if text is None else f"{job.attempt}{text}", self.clock.now)

    @precondition(lambda self: self.jobs)
    @rule(turns=st.lists(TURNS, min_size=1, max_size=5))
    def work(self, turns: list[dict[str, Any]]) -> None:
        """Workers take jobs and end attempts, those of long ago too."""
        for turn in turns:
            if turn["worker"] is not None or not self.given:
                self.claim(turn["place"], turn["worker"] or "w1")
            else:
                self.leave(**{name: value for name, value in turn.items() if name != "worker"})

    def leave(self, place: int, verb: str, text: str, wait: int, twice: bool) -> None:
        job_id, attempt, _ = self.given[-1 - place % len(self.given)]
        job, wrote, now = self.jobs[job_id], written(f"{attempt}{text}"), self.clock.now
        if verb == "fail":
            verb = "retry" if job.count("failures") + 1 < job.max_attempts else "fail"
        outcome, status, transition = ENDINGS[verb]
        due_at = now if verb == "release" else self.clock.after(wait)
        given = {"due_at": due_at} if verb in ("retry", "wait") else {}
        end = partial(transition, self.database, job_id, attempt, wrote, **given)
        holds, before = job.holds(attempt), self.store.rows()
        kept = end()
        if holds:
            job.leave(outcome, status, now, due_at, wrote.text)
            before = self.store.rows()
        assert kept is (job.outcomes[attempt - 1] == outcome)
        if twice:
            assert end() is kept
        assert self.store.rows() == before

    @precondition(lambda self: len(self.given) > 2)  # cancelled sooner, there would be no life to look at
    @rule(place=PLACES)
    def cancel(self, place: int) -> None:
        job_id = self.job_at(place)
        job = self.jobs[job_id]
        change = cancel_job(self.database, job_id)
        assert (change is None) is job.is_final
        if not job.is_final:
            job.cancel(self.clock.now)

    @precondition(lambda self: self.batches and len(self.given) > 4)
    @rule(place=PLACES)
    def cancel_batch(self, place: int) -> None:
        batch_id = list(self.batches)[place % len(self.batches)]
        unfinished = {job_id: job for job_id, job in self.jobs_of(batch_id).items() if not job.is_final}
        if not self.batches[batch_id]:
            self.cancelled.add(batch_id)
        assert {change.id for change in cancel_batch(self.database, batch_id)} == set(unfinished)
        for job in unfinished.values():
            job.cancel(self.clock.now)
        self.batches[batch_id] = self.is_over(batch_id)

    def expire_and_cancel_queued(self) -> None:
        now = self.clock.now
        waiting = {job_id: job for job_id, job in self.jobs.items() if job.status == "queued"}
        asked = {job_id for job_id, job in waiting.items() if job.cancel_requested_at is not None}
        late = {job_id for job_id, job in waiting.items() if job.expires_at is not None and job.expires_at <= now}
        change = {one.id: str(one.status) for one in expire_and_cancel_queued(self.database)}
        assert change == dict.fromkeys(late, "expired") | dict.fromkeys(asked, "cancelled")
        for job_id, status in change.items():
            self.jobs[job_id].expire_and_cancel_queued(status, now)

    def rescue(self) -> None:
        now = self.clock.now
        lost = [job_id for job_id, job in self.jobs.items() if job.lease_until is not None and job.lease_until < now]
        for job_id in lost:
            self.jobs[job_id].rescue(now)
        change = {one.id: str(one.status) for one in rescue_lost(self.database)}
        assert change == {job_id: self.jobs[job_id].status for job_id in lost}

    def settle(self, *, alone: bool) -> None:
        ready = {batch_id for batch_id, settled in self.batches.items() if not settled and self.is_over(batch_id)}
        if alone:
            assert {batch_id for batch_id in self.batches if close_batch(self.database, batch_id)} == ready
        else:
            assert set(close_batches(self.database)) == ready
        self.batches.update(dict.fromkeys(ready, True))

    @rule(room=st.integers(1, 4))
    def dispatch(self, room: int) -> None:
        now, stale = self.clock.now, self.clock.now - timedelta(seconds=HINT_SECONDS)
        queued = [job for job in self.jobs.values() if job.status == "queued"]
        in_flight = sum(job.upstream is not None and (job.hinted_at or stale) > stale for job in queued)
        for job in queued:
            if job.hinted_at is None or job.hinted_at <= stale:
                job.hinted_at, job.upstream = None, None
        due = {job_id for job_id, job in self.jobs.items() if job.is_due(now) and job.upstream is None}
        taken = take_due(self.database, room, HINT_SECONDS)
        assert len(taken) == len(set(taken)) == min(max(room - in_flight, 0), len(due))
        assert set(taken) <= due
        for job_id in taken:
            self.jobs[job_id].reserve(now)

    @rule(seconds=st.sampled_from([0.5, 3, LEASE + 1, HINT_SECONDS]), round_=st.booleans(), alone=st.booleans())
    def wait(self, seconds: float, round_: bool, alone: bool) -> None:
        """Time passes, and a worker may look for what was lost meanwhile, as its loop does."""
        self.clock.advance(seconds)
        if round_:
            self.rescue()
            self.expire_and_cancel_queued()
        self.settle(alone=alone)

    def job_at(self, place: int) -> str:
        return list(self.jobs)[-1 - place % len(self.jobs)]

    def jobs_of(self, batch_id: str) -> dict[str, ExpectedJob]:
        return {job_id: job for job_id, job in self.jobs.items() if job.batch_id == batch_id}

    def is_over(self, batch_id: str) -> bool:
        return all(job.is_final for job in self.jobs_of(batch_id).values())

    @invariant()
    def rows_say_what_is_expected(self) -> None:
        rows = self.store.rows()
        assert_rows_say(rows, self.jobs)
        for row in [*named(rows, "jobs"), *named(rows, "batches")]:
            if row["finished_at" if "finished_at" in row else "finalizing_at"] is not None:
                assert self.ended.setdefault(row["id"], row) == row, "what has ended stands"

    @invariant()
    def batches_end_with_their_last_job(self) -> None:
        for batch_id, settled in self.batches.items():
            batch = read_batch(self.database, batch_id, project=None)
            assert batch is not None
            jobs = [job.status for job in self.jobs_of(batch_id).values()]
            ended = [status for status in jobs if status not in ("queued", "in_progress")]
            counts = (batch.total, batch.completed, batch.failed, batch.in_progress)
            completed = ended.count("completed")
            assert counts == (len(jobs), completed, len(ended) - completed, jobs.count("in_progress"))
            if batch_id in self.cancelled:
                assert batch.status == ("cancelled" if settled else "cancelling")
            elif settled:
                assert batch.status == ("expired" if "expired" in jobs else "completed")
            else:
                assert batch.status == "in_progress"

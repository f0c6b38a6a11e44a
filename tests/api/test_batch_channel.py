"""The batch's channel: every change of a job is told there, after the commit, so that nothing told is untrue."""

import pytest

from jobs.dispatch import others
from jobs.intake.submission import NewJob, submit_batch
from jobs.lifecycle.rescue import cancel_job
from jobs.live.channel import Message
from jobs.store.database import Database
from jobs.store.queries import read_batch, read_job
from tests.api.batch_watching import ids_of
from tests.worker.ear import listening
from tests.worker.worker_fixtures import ask, fast_simulator, open_worker, small_settings

_LATER = {"queued": 0, "in_progress": 1, "completed": 2, "failed": 2, "cancelled": 2}


def test_a_worker_tells_the_batch_of_every_change_once_it_is_true(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(others, "LONGEST_SURE_SECONDS", 0.0)  # else a 500 is not charged so soon after other texts
    with fast_simulator() as upstream, open_worker(database, small_settings(redis_url, upstream.url)) as worker:
        wanted = [NewJob(ask()), NewJob(ask({"status": 500}), max_attempts=2), NewJob(ask({"status": 400}))]
        batch_id = submit_batch(database, wanted).id
        ids = ids_of(database, batch_id)
        untrue: list[Message] = []
        ended: list[str] = []

        def compare(message: Message) -> None:
            if message.event == "batch":
                batch = read_batch(database, batch_id, project=None)
                ended.append(str(batch.status) if batch else "")
                return
            job = read_job(database, message.id, project=None)
            true = job is not None and (job.attempt, _LATER[job.status]) >= (message.attempt, _LATER[message.status])
            # Queued after an attempt is later than that attempt's run.
            if not true and not (job and job.status == "queued" and job.attempt == message.attempt):
                untrue.append(message)

        with listening(redis_url, batch_id, compare) as ear:
            worker.dispatch.start()
            for job_id in ids:
                worker.start(job_id)
            received = ear.wait_for(lambda messages: any(message.event == "batch" for message in messages))
    told = {
        job_id: [(one.attempt, one.status) for one in received if one.event == "job" and one.id == job_id]
        for job_id in ids
    }
    assert told == {
        ids[0]: [(1, "in_progress"), (1, "completed")],
        ids[1]: [(1, "in_progress"), (1, "queued"), (2, "in_progress"), (2, "failed")],
        ids[2]: [(1, "in_progress"), (1, "failed")],
    }
    assert (untrue, ended) == ([], ["completed"])


def test_dispatch_tells_the_batch_of_what_it_ends(database: Database, redis_url: str) -> None:
    with fast_simulator() as upstream:
        settings = small_settings(redis_url, upstream.url, heartbeat_seconds=0.1)
        with open_worker(database, settings) as worker:
            batch_id = submit_batch(database, [NewJob(ask())]).id
            [job_id] = ids_of(database, batch_id)
            cancel_job(database, job_id)  # told to nobody, and its batch is not ended
            with listening(redis_url, batch_id) as ear:
                worker.dispatch.start()
                ear.wait_for(lambda messages: any(message.event == "batch" for message in messages))
    batch = read_batch(database, batch_id, project=None)
    assert batch is not None
    assert batch.status == "completed"

"""A job that thinks, through a whole worker: both texts are stored, proved, counted, and told in order."""

import json
from collections.abc import Iterator
from hashlib import sha256

import pytest
import redis as redis_py
from sqlalchemy import select

from jobs.live.channel import encode_reasoning, reasoning_key
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs
from jobs.store.stored_texts import read_longest
from jobs.tables import lanes
from longhand.simulator import ServedSimulator
from tests.worker.ear import listening
from tests.worker.one_recording import JOB, recording_on
from tests.worker.worker_fixtures import WorkerParts, job_and_text, open_worker, small_settings, submit
from worker.recording import Recording

THOUGHTS = "".join(f"Thought {number} – so far, so good. " for number in range(30))
DELTAS = ["One ", "two – ", "three 🙂"]


@pytest.fixture
def worker(database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, simulator.url)) as parts:
        yield parts


def test_a_job_that_thinks_is_stored_with_both_texts_and_their_proofs(worker: WorkerParts) -> None:
    job_id = submit(worker.database, {"deltas": DELTAS, "reasoning": 30})
    with listening(worker.settings.require_redis_url(), job_id) as ear:
        worker.run(job_id)
        messages = ear.wait_for_event("done")
    job, text = job_and_text(worker.database, job_id)
    encoded = THOUGHTS.encode()
    assert (job.status, text) == (JobStatus.COMPLETED, "".join(DELTAS))
    assert (job.reasoning_bytes, job.reasoning_sha256) == (len(encoded), sha256(encoded).hexdigest())
    assert job.reasoning_text_tokens
    assert job.reasoning_text_tokens_source == "tokenizer"
    assert job.usage is not None
    assert job.usage.reasoning_tokens == 30
    longest = read_longest(worker.database, job_id)
    assert longest is not None
    assert longest.reasoning == THOUGHTS
    told = [message.reasoning for message in messages if message.reasoning is not None]
    assert "".join(told) == THOUGHTS
    assert len(told) == 30
    assert (messages[-1].reasoning_bytes, messages[-1].reasoning_sha256) == (len(encoded), job.reasoning_sha256)
    found, _ = list_jobs(
        worker.database, JobFilter(text="so far, so good"), after=None, limit=10, newest_first=True, project=None
    )
    assert found == []


def test_a_job_that_thinks_and_is_cut_keeps_what_it_thought(worker: WorkerParts) -> None:
    job_id = submit(worker.database, {"deltas": DELTAS, "reasoning": 30, "cut_after": 0}, max_attempts=1)
    worker.run(job_id)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text, job.reasoning_bytes) == (JobStatus.FAILED, "", len(THOUGHTS.encode()))


def test_an_upstream_that_only_thinks_has_accepted_the_request(worker: WorkerParts) -> None:
    job_id = submit(worker.database, {"deltas": DELTAS, "reasoning": 30, "cut_after": 0}, max_attempts=1)
    worker.run(job_id)
    job, _ = job_and_text(worker.database, job_id)
    worker.lanes.write_news((str(job.upstream), job.model))
    with worker.database.read() as connection:
        assert connection.scalar(select(lanes.c.accepted_at).where(lanes.c.model == job.model)) is not None


def test_reasoning_is_told_once_in_order_with_the_text_and_is_in_its_tail(
    redis_url: str, valkey_client: redis_py.Redis
) -> None:
    with recording_on(redis_url) as one, listening(redis_url, JOB) as ear:
        for number in range(50):
            one.loop.run(_think(one.recording, f"thought {number} – "))
            one.add(f"piece {number} 🙂 ")
        ear.wait_for_bytes(len(one.recording.text))
        tail = valkey_client.get(reasoning_key(JOB, 1))
        assert tail == bytes(one.recording.reasoning)
        kinds = ["reasoning" if one.reasoning is not None else "text" for one in ear.messages if not one.event]
        assert kinds == ["reasoning", "text"] * 50


def test_a_reader_that_knows_no_reasoning_reads_an_empty_text_at_the_beginning() -> None:
    told = json.loads(encode_reasoning(1, 512, "thought"))
    assert (told.get("offset", 0), told.get("text", ""), told.get("event", "")) == (0, "", "")


async def _think(recording: Recording, piece: str) -> None:
    recording.add_reasoning(piece)

"""The orders that all else stands on: subscribe before reading, commit before `done`, commit before the wake, and a
claim that only one can win.
"""

import threading
import time
from typing import Any

import httpx

from jobs.dispatch.queue import make_celery, send_hints
from jobs.lifecycle.rescue import cancel_job
from jobs.live.channel import tail_key
from jobs.live.wake import WAKE_CHANNEL
from jobs.model.status import JobStatus
from longhand.simulator import ServedSimulator
from tests.chaos.fault_proxy import FaultProxy
from tests.chaos.invariants import article, articles, check
from tests.chaos.processes import PATIENCE_SECONDS, wait_until
from tests.chaos.stack import Stack


def test_a_watcher_subscribes_before_it_reads(stack: Stack) -> None:
    """What happens while the subscription is on its way is read after it. Who reads first would miss it, and would
    look again only when it has heard nothing for 3 s.
    """
    stack.start_api()
    ids = stack.submit([article(1, deltas=5, per_second=50)])  # there is no worker: it stays queued
    trap = stack.api_redis.trap(b"SUBSCRIBE", action="hold")
    watcher = stack.begin_to_watch(ids[0])
    trap.wait()
    caught_at = time.monotonic()
    cancel_job(stack.database, ids[0])  # nobody announces this one
    trap.release()
    watcher.wait_done()
    assert watcher.done_at - caught_at < 2.8


def test_done_is_told_only_after_the_commit(stack: Stack, upstream: ServedSimulator) -> None:
    """A `done` is never untrue. Both jobs are told by one recorder, in turn: when the second one's later deltas are
    heard, a `done` of the first would have been.
    """
    stack.start_api()
    stack.start_worker()
    assert stack.worker_database is not None
    trap = stack.worker_database.trap(b"COMMIT", after=b"\x00\x00\x00\x06length", action="hold")
    first, second = stack.submit([article(1, deltas=30, per_second=30), article(2, deltas=200, per_second=30)])
    heard = stack.listen(first, second)
    trap.wait()
    told = int(stack.redis.strlen(tail_key(second, 1)))
    heard.wait_for(lambda job_id, message: job_id == second and message.offset > told)
    assert [message for _, message in heard.heard if message.event == "done"] == []
    assert stack.job(first).status is JobStatus.IN_PROGRESS
    trap.break_off()
    heard.wait_done([first])
    assert stack.job(first).status is JobStatus.COMPLETED
    stack.wait_final(30)
    assert check(stack, upstream).statuses == {JobStatus.COMPLETED: 2}


def test_no_wake_is_sent_before_its_job_is_committed(stack: Stack, upstream: ServedSimulator) -> None:
    """A wake that comes before the row finds nothing, and the job would wait until dispatch looks again. The wakes of a
    process are sent in turn: when that of the second job is there, one of the first would have been.
    """
    stack.start_api()
    assert stack.api_database is not None
    wakes = stack.redis.pubsub()
    wakes.subscribe(WAKE_CHANNEL)
    wakes.get_message(timeout=PATIENCE_SECONDS)
    trap = stack.api_database.trap(b"COMMIT", after=b"INSERT INTO jobs", action="hold")
    first = threading.Thread(target=_post_job, args=(stack, article(1, deltas=5, per_second=50)))
    first.start()
    trap.wait()
    _post_job(stack, article(2, deltas=5, per_second=50))
    assert wakes.get_message(timeout=PATIENCE_SECONDS) is not None
    assert wakes.get_message() is None
    trap.release()
    first.join()
    assert wakes.get_message(timeout=PATIENCE_SECONDS) is not None
    wakes.close()
    stack.start_worker()
    stack.wait_final(20)
    assert check(stack, upstream).statuses == {JobStatus.COMPLETED: 2}


def test_a_job_hinted_a_hundred_times_is_started_once(
    stack: Stack, upstream: ServedSimulator, line: FaultProxy
) -> None:
    """Duplicate hints are normal, and lose the claim: here on two workers, while the job runs and after it."""
    stack.upstream_url = f"http://127.0.0.1:{line.port}/v1"
    stack.start_api()
    for _ in range(2):
        stack.start_worker()
    ids = stack.submit(articles(5, deltas=60, per_second=20))
    upstream.wait_until(lambda seen: seen["running"] == 5)
    line.freeze("to_client")  # the jobs run on until every hint is taken
    with make_celery(f"redis://127.0.0.1:{stack.worker_redis.port}/0") as app:
        send_hints(app, ids * 100)
        wait_until(lambda: stack.waiting_hints() == 0, PATIENCE_SECONDS, "every hint is taken")
        assert stack.count(JobStatus.IN_PROGRESS) == 5
        line.heal()
        stack.wait_final(60)
        send_hints(app, ids * 10)
    wait_until(lambda: stack.waiting_hints() == 0, PATIENCE_SECONDS, "every hint is taken")
    stack.submit(articles(5, deltas=20, per_second=20, first=5))  # by its end the hints before it are dealt with
    stack.wait_final(30)
    tally = check(stack, upstream)
    assert (tally.statuses, tally.attempts) == ({JobStatus.COMPLETED: 10}, 10)


def _post_job(stack: Stack, request: dict[str, Any]) -> None:
    response = httpx.post(f"{stack.api_url}/v1/jobs", json=request, timeout=30)
    assert response.status_code == 202, response.text

"""A long request goes upstream as a short one does: the same bytes, in the first attempt and in every later one."""

import pytest

from jobs.intake.submission import NewJob, submit_job
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import rescue_lost
from jobs.model.status import JobStatus
from jobs.store import job_requests
from jobs.store.database import Database
from tests.store.reserving import claim_now
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, ScriptedUpstream, chunked, text
from tests.worker.worker_fixtures import ask, expire_lease, job_and_text, open_worker, small_settings

ANSWER = chunked(ROLE, text("Bees."), FINISH, DONE)
PROMPT = 'Bees "\\ \u2028 蜂 🙂 \u0000. ' * 2000


def test_a_long_request_goes_upstream_byte_for_byte_as_one_in_its_row(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(prompt=PROMPT, temperature=0.5, stop=["\n"])
    new_job = NewJob(request, accept={"must_include": ["Bees"]})
    apart = submit_job(database, new_job).id
    with monkeypatch.context() as patched:
        patched.setattr(job_requests, "LONG_REQUEST", 1 << 30)
        whole = submit_job(database, new_job).id
    with ScriptedUpstream(ANSWER) as upstream, open_worker(database, small_settings(redis_url, upstream.url)) as worker:
        for job_id in (whole, apart):
            worker.run(job_id)
        sent = [exchange.content for exchange in upstream.exchanges]
        assert sent == [sent[0]] * 2
        assert upstream.last.body["messages"] == request["messages"]
        lost = submit_job(database, new_job).id
        claim_now(database, lost, "dead", 15.0)
        renew(database, "dead", [Checkpoint(lost, 1, "so far")], 15.0)
        expire_lease(database, lost)
        assert [change.id for change in rescue_lost(database)] == [lost]
        worker.run(lost)
        assert upstream.last.content == sent[0]
    for job_id in (whole, apart, lost):
        job, written = job_and_text(database, job_id)
        assert (job.status, written) == (JobStatus.COMPLETED, "Bees.")

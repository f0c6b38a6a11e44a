"""A part of a text that waits for its place in the limits of its lane."""

from threading import Event

import pytest

from jobs.dispatch.part_places import Place
from jobs.dispatch.part_queues import WaitingPart
from jobs.lifecycle.rescue import cancel_job
from jobs.model.status import JobStatus
from jobs.pace.reports import Unplanned, Unsent
from jobs.store.database import Database
from tests.upstream.scripted_upstream import ScriptedUpstream
from tests.worker.parts import WHOLE, part, worker_on
from tests.worker.test_lane_reports import news_of, reports_in
from tests.worker.worker_fixtures import job_and_text, submit

HOUR = 3600.0


@pytest.mark.parametrize("is_booked", [True, False])
def test_a_cancel_ends_a_text_whose_next_part_waits_and_gives_its_place_back(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch, is_booked: bool
) -> None:
    job_id, has_asked = submit(sqlite_database, max_continuations=8), Event()

    def book(_part: WaitingPart) -> Place:
        has_asked.set()
        return Place(HOUR, is_booked=is_booked)

    parts = [part("One ", completion=5), part("two.", end=WHOLE)]
    with (
        ScriptedUpstream(*parts) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, heartbeat_seconds=0.2) as worker,
    ):
        told = news_of(worker, monkeypatch)
        monkeypatch.setattr(worker.lanes.parts, "book", book)
        worker.heartbeat.start()
        running = worker.start(job_id)
        assert has_asked.wait(60)
        cancel_job(sqlite_database, job_id)
        running.result(60)
        assert len(upstream.exchanges) == 1
        assert not len(worker.lanes.parts.waiting), "nobody waits behind it"
    job, stored = job_and_text(sqlite_database, job_id)
    assert (job.status, stored) == (JobStatus.CANCELLED, "One ")
    booked = [report.estimated_tokens for report in reports_in(told) if isinstance(report, Unplanned)]
    back = [report.reserved_tokens for report in reports_in(told) if isinstance(report, Unsent)]
    assert back == booked
    assert len(back) == is_booked

"""What a turn costs its project: its stream from the reservation on, and what all its requests have used."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from unittest.mock import ANY

import pytest

from jobs.dispatch.lane_news import LaneNews
from jobs.lifecycle.rescue import rescue_lost
from jobs.model.status import JobStatus
from jobs.pace.reports import Accepted, Finished, Unplanned
from jobs.store.database import Database
from jobs.upstreams import UpstreamSpec
from tests.upstream.scripted_upstream import ROLE, Cut, ScriptedUpstream, chunked, text
from tests.worker.ear import listening
from tests.worker.parts import NO_PREFIX, TOO_LONG, WHOLE, part, refused, worker_on
from tests.worker.test_continuation import run_twice
from tests.worker.test_lane_reports import Told, claimed, costs_in, news_of, reporter, reports_in
from tests.worker.worker_fixtures import job_and_text, submit
from worker.reports import MOST_WAITED, Used

ENDS = {"whole": part(" four.", end=WHOLE), "too long": TOO_LONG, "refused": NO_PREFIX}


@pytest.mark.parametrize("how", ENDS)
def test_all_parts_of_a_text_are_one_turn_and_cost_what_they_take_together(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Before, each told that a turn was as cheap as itself."""
    job_id = submit(sqlite_database, max_continuations=8)
    parts = [part("One ", "two", prompt=10, completion=5), part(" three", prompt=17, completion=3), ENDS[how]]
    with ScriptedUpstream(*parts) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        told = news_of(worker, monkeypatch)
        worker.run(job_id)
    ends = [report for report in reports_in(told) if isinstance(report, Finished)]
    [cost] = costs_in(told)
    assert len(ends) == cost.requests == 3
    assert cost.tokens == sum(report.used_tokens or 0 for report in ends) >= 35
    assert cost.seconds >= sum(report.at - report.sent_at for report in ends)


def test_while_others_wait_the_parts_of_a_text_take_no_more_than_a_share(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, short parts took the requests of their lane as soon as each could be sent, and nobody else started."""
    job_id, asked = submit(sqlite_database, max_continuations=8), list[int]()
    parts = [part("One ", completion=5), part("two ", completion=100), part("three.", end=WHOLE)]

    def least_seconds(_key: tuple[str, str], _project: str, tokens: int) -> float:
        asked.append(tokens)
        return max(0.005 * tokens, 0.25)  # of the only text of its project

    with ScriptedUpstream(*parts) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        told = news_of(worker, monkeypatch)
        monkeypatch.setattr(worker.lanes.parts, "least_seconds", least_seconds)
        worker.run(job_id)
    first, second, third = (report.sent_at for report in reports_in(told) if isinstance(report, Finished))
    assert list(dict.fromkeys(asked)) == [15, 110]
    assert second - first >= 0.25, "a request"
    assert third - first >= 0.25 + 0.005 * 110, "what the second used in tokens"
    assert job_and_text(sqlite_database, job_id) == (ANY, "One two three.")


def test_a_turn_costs_its_stream_from_the_reservation_on() -> None:
    """Before, from its sending on: quick prompts, which wait longer than they run, took nearly all streams."""
    told, now = Told(), datetime.now(UTC)
    used, began_at = Used(70, 2), now - timedelta(seconds=2)
    for send_at in (None, now - timedelta(seconds=5), now + timedelta(seconds=1), now - timedelta(hours=1)):
        reporter(told).end_turn(replace(claimed(), send_at=send_at, reserved_tokens=900), used, began_at, 2.0)
    assert {(cost.project, *cost[2:]) for cost in costs_in(told.news)} == {("alpha", 70, 2, 900)}
    assert [cost.seconds for cost in costs_in(told.news)] == pytest.approx([2.0, 5.0, 2.0, 2.0 + MOST_WAITED])


def test_a_clock_that_is_set_meanwhile_makes_no_text_dearer_and_no_answer_later(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, a text that ran while the clock stepped forward an hour cost its project an hour of a stream."""
    job_id, hours = submit(sqlite_database), count()
    upstream = ScriptedUpstream(part("One", end=WHOLE))
    with upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        told = news_of(worker, monkeypatch)
        monkeypatch.setattr(worker.reporter, "now", lambda: sqlite_database.now() + timedelta(hours=next(hours)))
        worker.run(job_id)
    assert next(hours) >= 3
    [cost], [accepted] = costs_in(told), [report for report in reports_in(told) if isinstance(report, Accepted)]
    assert accepted.at - accepted.sent_at >= 3600
    assert 0 < accepted.waited_seconds <= cost.seconds < 3600


def test_a_turn_is_over_once_its_end_is_stored(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, once the upstream had written all of it: the stream was not free yet."""
    job_id, found = submit(sqlite_database), list[JobStatus]()

    def note(_key: tuple[str, str], news: LaneNews) -> None:
        if news.ended:
            found.append(job_and_text(sqlite_database, job_id)[0].status)

    with (
        ScriptedUpstream(part("One", end=WHOLE)) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url) as worker,
    ):
        monkeypatch.setattr(worker.lanes, "note", note)
        worker.run(job_id)
    assert found == [JobStatus.COMPLETED]


def test_an_attempt_that_was_lost_costs_no_more_than_was_expected(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, a process that was frozen for 36 s charged these to projects whose texts others had written meanwhile."""
    job_id, told = submit(sqlite_database), list[LaneNews]()

    def note(_key: tuple[str, str], news: LaneNews) -> None:
        told.append(news)
        if news.accepted_at is not None:
            rescued = rescue_lost(sqlite_database, run_out_before=sqlite_database.now() + timedelta(days=1))
            assert [change.id for change in rescued] == [job_id]

    upstream = ScriptedUpstream(part("One", end=WHOLE))
    with upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        monkeypatch.setattr(worker.lanes, "note", note)
        worker.run(job_id)
    assert any(news.accepted_at is not None for news in told)
    assert job_and_text(sqlite_database, job_id)[0].status is JobStatus.QUEUED
    assert costs_in(told) == []


def test_a_part_that_could_not_be_sent_leaves_its_project_what_the_parts_before_have_cost(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    parts = [part("One ", "two", prompt=10, completion=5), part(" three", prompt=17, completion=3)]
    with ScriptedUpstream(*parts) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        told = news_of(worker, monkeypatch)
        use, used = worker.upstreams.use, count()

        def use_twice(spec: UpstreamSpec) -> Any:
            if next(used) == 2:
                raise OSError("no descriptor is left")
            return use(spec)

        monkeypatch.setattr(worker.upstreams, "use", use_twice)
        worker.run(job_id)
    assert next(used) == 3
    [cost] = costs_in(told)
    assert (cost.requests, cost.tokens) == (2, 35)


def test_a_failure_after_parts_is_their_one_turn(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    parts = [part("One ", "two", prompt=10, completion=5), refused(429, "slow down", "rate_limit_exceeded")]
    with ScriptedUpstream(*parts) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        told = news_of(worker, monkeypatch)
        worker.run(job_id)
    [cost] = costs_in(told)
    assert cost.requests == 2


def test_what_an_earlier_attempt_wrote_is_counted_once_in_the_part_after_it(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request of an attempt that continues a text sends that text, so the upstream counts it with the prompt;
    and it is a part of what the request's own limit allows.
    """
    job_id = submit(sqlite_database, max_continuations=8, on_interrupt="continue", fields={"max_tokens": 20_000})
    before = " ".join(map(str, range(4000)))
    cut: list[bytes | Cut] = [*chunked(ROLE, text(before))[:-1], Cut()]
    parts = [part("Five ", prompt=5010, completion=2), part("six.", end=WHOLE)]
    with ScriptedUpstream(cut, *parts) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        told = news_of(worker, monkeypatch)
        with listening(redis_url, job_id) as ear:
            run_twice(worker, ear, job_id)
        _, second, third = (exchange.body for exchange in upstream.exchanges)
    assert len(second["messages"][-1]["content"]) == len(before)
    [unplanned] = [report for report in reports_in(told) if isinstance(report, Unplanned)]
    assert 5010 + 2 <= unplanned.estimated_tokens < 5010 + 100
    assert 0 < third["max_tokens"] < second["max_tokens"] < 10_000

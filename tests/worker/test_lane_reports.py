"""What a lane is told of the tokens of a request that is over."""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import update

from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.lanes import Lanes
from jobs.dispatch.turn_costs import Ended
from jobs.lifecycle.lease import Claimed
from jobs.pace.reports import Finished, Refused, Report, Unplanned, Unsent
from jobs.store.database import Database
from jobs.tables import jobs
from tests.store.reserving import reserve
from tests.upstream.scripted_upstream import DONE, ROLE, ScriptedUpstream, chunked, text
from tests.worker.parts import AT_LIMIT, WHOLE, part, worker_on
from tests.worker.worker_fixtures import WorkerParts, submit
from worker.reports import LaneReporter, Sent, Used
from worker.upstream.ending import Ending, ReportedUsage
from worker.upstream.errors import CutMidStream, NoFirstDelta, RateLimited, Rejected, UpstreamError
from worker.upstream.errors.reaching import ConnectFailed

RESERVED = 5000
USAGE = ReportedUsage(10, None, 40, None, 50)


class Told:
    """The lanes of a process, which write down their news."""

    def __init__(self) -> None:
        self.news: list[LaneNews] = []

    def note(self, _key: tuple[str, str], news: LaneNews) -> None:
        self.news.append(news)

    def in_flight(self, _key: tuple[str, str]) -> int:
        return 1

    def hold_of(self, _key: tuple[str, str]) -> None:
        return None

    def is_eager(self, _key: tuple[str, str]) -> bool:
        return False

    def write_news(self, _key: tuple[str, str]) -> bool:
        return True

    def do_others_wait(self, _key: tuple[str, str], _project: str) -> bool:
        return True

    def last(self, kind: type[Report]) -> Any:
        return next(report for news in self.news for report in news.reports if isinstance(report, kind))


def reporter(told: Told) -> LaneReporter:
    return LaneReporter(cast("Lanes", told), lambda: datetime.now(UTC), lambda: None)


def claimed() -> Claimed:
    job = SimpleNamespace(model="m1", project="alpha")
    return Claimed(cast("Any", job), 1, "", upstream="one", reserved_tokens=RESERVED)


def end(told: Told, outcome: object, *, accepted: bool = False, refused: bool = False) -> Used:
    used = Used()
    sent: Sent = reporter(told).send(claimed(), used)
    if accepted:
        sent.accept()
    sent.end(outcome, refused=refused)
    return used


def with_usage(error: UpstreamError) -> UpstreamError:
    error.ending = Ending(None, USAGE, None, None)
    return error


OUTCOMES: dict[str, tuple[Callable[[], object], bool, int | None]] = {
    "a whole text": (lambda: Ending("stop", USAGE, None, None), True, 50),
    "a failure whose usage is known": (lambda: with_usage(CutMidStream("cut")), True, 50),
    "a text that was cut": (lambda: CutMidStream("cut"), True, None),
    "one that began too late": (lambda: NoFirstDelta("late"), False, None),
    "a request that was rejected": (lambda: Rejected("too long", status=400), False, 0),
    "an upstream that is away": (lambda: ConnectFailed("away"), False, 0),
}


@pytest.mark.parametrize("what", OUTCOMES)
def test_the_lane_is_told_what_was_used_and_what_is_unknown(what: str) -> None:
    make, accepted, used = OUTCOMES[what]
    told = Told()
    of_turn = end(told, make(), accepted=accepted)
    finished: Finished = told.last(Finished)
    assert (finished.reserved_tokens, finished.used_tokens) == (RESERVED, used)
    assert of_turn == Used(RESERVED if used is None else used, 1), "its project pays for it"


def test_one_request_too_many_used_nothing() -> None:
    told = Told()
    used = end(told, RateLimited("slow down", status=429), refused=True)
    assert told.last(Refused).reserved_tokens == RESERVED
    assert used == Used(0, 1)


@pytest.mark.parametrize("what", OUTCOMES)
def test_first_words_and_a_whole_text_say_that_the_upstream_writes(what: str) -> None:
    make, accepted, _ = OUTCOMES[what]
    outcome, told = make(), Told()
    end(told, outcome, accepted=accepted)
    assert [news.wrote_at is not None for news in told.news] == [True] * accepted + [isinstance(outcome, Ending)]


def test_a_job_that_ends_before_its_request_is_sent_gives_its_tokens_back() -> None:
    told = Told()
    reporter(told).give_back(claimed())
    assert told.last(Unsent).reserved_tokens == RESERVED


def news_of(worker: WorkerParts, monkeypatch: pytest.MonkeyPatch) -> list[LaneNews]:
    """What the lanes of this worker are told from now on."""
    told: list[LaneNews] = []
    monkeypatch.setattr(worker.lanes, "note", lambda _key, news: told.append(news))
    return told


def reports_in(told: list[LaneNews]) -> list[Report]:
    return [report for news in told for report in news.reports]


def costs_in(told: list[LaneNews]) -> list[Ended]:
    return [ended for news in told for ended in news.ended]


def test_a_worker_whose_upstream_is_not_declared_any_more_gives_the_tokens_back(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(sqlite_database)
    with worker_on(sqlite_database, redis_url, "http://127.0.0.1:1/v1") as worker:
        told = news_of(worker, monkeypatch)
        monkeypatch.setattr(worker.upstreams, "find", lambda _name: None)
        reserve(sqlite_database, job_id)
        with sqlite_database.write() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(reserved_tokens=RESERVED))
        worker.run(job_id)
    assert [report.reserved_tokens for report in reports_in(told) if isinstance(report, Unsent)] == [RESERVED]


def test_the_next_part_of_a_text_takes_what_the_parts_before_have_taken(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, it took the rest of `max_tokens`: a million stopped its lane for minutes."""
    job_id = submit(sqlite_database, max_continuations=8, fields={"max_tokens": 1_000_000})
    parts = [part("One ", "two", completion=700), part(" three.", end=WHOLE)]
    with ScriptedUpstream(*parts) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        told = news_of(worker, monkeypatch)
        worker.run(job_id)
    [unplanned] = [report for report in reports_in(told) if isinstance(report, Unplanned)]
    assert 700 < unplanned.estimated_tokens < 900
    last = [report for report in reports_in(told) if isinstance(report, Finished)][-1]
    assert last.reserved_tokens == unplanned.estimated_tokens, "and gives as many back"


@pytest.mark.parametrize("is_counted", [True, False])
def test_an_image_counts_as_little_in_a_part_as_in_the_first_request(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch, *, is_counted: bool
) -> None:
    """Before, each part took the length of its base64, a whole minute's tokens: all other jobs waited for its end."""
    url = f"data:image/png;base64,{'A' * 400_000}"
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "What is this?"}]
    asked = {"messages": [{"role": "user", "content": content}]}
    job_id = submit(sqlite_database, max_continuations=8, fields=asked)
    uncounted = chunked(ROLE, text("One two"), AT_LIMIT, DONE)
    parts = [part("One ", "two", prompt=300) if is_counted else uncounted, part(" three.", end=WHOLE)]
    with ScriptedUpstream(*parts) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        told = news_of(worker, monkeypatch)
        worker.run(job_id)
    [unplanned] = [report for report in reports_in(told) if isinstance(report, Unplanned)]
    least = 300 if is_counted else 1000
    assert least < unplanned.estimated_tokens < least + 1200

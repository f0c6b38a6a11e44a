"""Which lanes' streams get text is written to their rows: often enough to trust it, and no oftener."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobs.dispatch import lanes as lanes_module
from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.rounds import Key
from jobs.dispatch.upstream_holds import begin_hold
from jobs.dispatch.writing import is_writing
from jobs.intake.submission import submit_job
from jobs.model.endings import MAX_CRASHES
from jobs.pace.state import WRITING_SECONDS
from jobs.store.database import Database
from jobs.store.keys import create_key
from longhand.simulator import ServedSimulator
from tests.store.failing import HINT_SECONDS
from tests.store.reserving import lanes_of
from tests.store.store_fixtures import Store, new_job, store
from tests.worker.ear import listening
from tests.worker.test_lane_reports import Told, claimed, reporter
from tests.worker.worker_fixtures import MODEL, TEXT, WAITS, open_worker, small_settings, submit
from worker import growth as growth_module
from worker.growth import MOST_NOTED, Growth
from worker.reports import Used

__all__ = ["store"]  # a fixture


class Process:
    """A worker process, of which only the streams and the rounds of dispatch are real."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.lanes = lanes_of(store.database, HINT_SECONDS)
        self.streams: list[Any] = []
        self.noted: list[Key] = []
        self._note, self.lanes.note = self.lanes.note, self._count  # type: ignore[method-assign]
        self._growth = Growth(store.database, cast("Any", SimpleNamespace(all=lambda: self.streams)), self.lanes)

    def _count(self, key: Key, news: LaneNews) -> None:
        self.noted.append(key)
        self._note(key, news)

    def write(self, model: str, *, count: int = 1, is_doubted: bool = False) -> None:
        """So many streams that get text without end."""
        sent = SimpleNamespace(key=("default", model), is_doubted=is_doubted)
        self.streams += [SimpleNamespace(has_grown=lambda: True, sent=sent)] * count

    def look(self) -> None:
        self._growth.look()

    def turn(self) -> None:
        self.look()
        self.lanes.reserve(0, MAX_CRASHES)

    def is_writing(self) -> bool:
        with self._store.database.read() as connection:
            return is_writing(connection, "default", self._store.clock.now)


@pytest.fixture(autouse=True)
def at_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth_module, "LOOK_SECONDS", 0.0)


@pytest.fixture
def shared(store: Store) -> Store:
    """A database in which two projects have jobs."""
    for project in ("alpha", "beta"):
        submit_job(store.database, new_job(), project=project)
    return store


def test_of_many_processes_one_or_another_notes_a_lane_each_second_or_two(shared: Store) -> None:
    """Before, each process wrote a row each second for each lane, whatever another one had written a moment ago."""
    processes = [Process(shared) for _ in range(10)]
    for process in processes:
        process.write("long", count=3)
    for second in range(20):
        for process in processes:
            process.turn()
            shared.clock.advance(0.1)
            assert process.is_writing(), second
    assert 10 <= sum(len(process.noted) for process in processes) <= 14


def test_a_lane_is_known_to_be_written_from_the_first_look_until_some_seconds_after_the_last_text(
    shared: Store,
) -> None:
    process = Process(shared)
    process.turn()
    assert not process.is_writing()
    process.write("long")
    for _ in range(10):
        process.turn()
        assert process.is_writing()
        shared.clock.advance(1)
    process.streams.clear()
    process.turn()  # what the last look did not note, as the row was fresh, is noted
    assert process.is_writing()
    for _ in range(int(WRITING_SECONDS)):
        shared.clock.advance(1)
        process.turn()
    assert not process.is_writing()


def test_what_nobody_asks_for_is_not_noted_where_one_project_is_alone(store: Store) -> None:
    process = Process(store)
    job_id = submit_job(store.database, new_job(), project="alpha").id
    process.write("long")
    for _ in range(5):
        process.turn()
        store.clock.advance(1)
    assert process.noted == []
    with store.database.write() as connection:
        begin_hold(connection, "default", "away", "it said no", store.clock.now, job_id=job_id)
    process.turn()
    assert process.noted == [("default", "long")], "afterwards its window begins with the streams that were written"


def test_another_project_that_comes_is_protected_from_the_next_look_on(store: Store) -> None:
    process = Process(store)
    submit_job(store.database, new_job(), project="beta")
    process.write("long")
    process.turn()
    assert not process.is_writing()
    submit_job(store.database, new_job(), project="alpha")
    process.turn()
    assert process.is_writing()


def test_the_lanes_with_the_most_streams_speak_for_their_upstream(shared: Store) -> None:
    process = Process(shared)
    for number in range(20):
        process.write(f"m{number:02}", count=1 + number)
    process.turn()
    assert {model for _, model in process.noted} == {f"m{number:02}" for number in range(20 - MOST_NOTED, 20)}


def test_a_probe_of_an_upstream_that_cuts_texts_does_not_say_that_the_others_are_written(shared: Store) -> None:
    process = Process(shared)
    process.write("long", is_doubted=True)
    process.turn()
    assert process.noted == []


def test_a_clock_that_is_set_back_keeps_no_lane_from_being_noted(shared: Store) -> None:
    process = Process(shared)
    process.write("long")
    process.turn()
    shared.clock.advance(-3600)
    process.turn()
    shared.clock.advance(1)
    assert len(process.noted) == 2
    assert process.is_writing()


def test_a_round_of_dispatch_writes_it_also_while_the_heartbeat_does_nothing(
    database: Database, redis_url: str, simulator: ServedSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat may be storing megabytes for many seconds."""
    submit_job(database, new_job(), project="alpha")
    with open_worker(database, small_settings(redis_url, simulator.url, between_deltas_seconds=60)) as worker:
        job_id = submit(database, WAITS)
        with listening(redis_url, job_id) as ear:
            worker.start(job_id)
            ear.wait_for_bytes(len(TEXT.encode()))
        noted: list[Key] = []
        monkeypatch.setattr(worker.lanes, "note", lambda key, news: noted.extend([key] if news.wrote_at else []))
        worker.dispatch._dispatch()
        assert noted == [("default", MODEL)]


@pytest.mark.parametrize("cut_bytes", [None, 900])
def test_first_words_while_an_upstream_is_held_for_texts_that_it_cuts_say_not_that_it_writes(
    cut_bytes: int | None,
) -> None:
    """The window that its hanging streams had would be theirs again once the probe has written a whole text."""
    told = Told()
    hold = SimpleNamespace(cut_bytes=cut_bytes)
    told.hold_of = lambda _key: hold  # type: ignore[assignment, method-assign]
    sent = reporter(told).send(claimed(), Used())
    sent.accept()
    assert (told.news[-1].wrote_at is None) == sent.is_doubted == (cut_bytes is not None)
    told.hold_of = lambda _key: None  # type: ignore[method-assign]
    assert not sent.is_doubted, "it has proved it"


def test_that_a_lane_is_written_is_stored_before_a_round_is_filled_by_the_jobs_of_other_lanes(
    shared: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad prompts for 150 models took each round whole, and the upstream that wrote was held for them."""
    process = Process(shared)
    for number in range(5):
        submit_job(shared.database, new_job(model=f"quick-{number}"), project="alpha")
    process.write("long")
    process.look()
    monkeypatch.setattr(lanes_module, "ROUND_SECONDS", 0.0)
    assert process.lanes.reserve(10, MAX_CRASHES).reserved, "others fill the round"
    assert process.is_writing()


def test_a_project_that_has_a_key_is_protected_from_before_its_first_job(store: Store) -> None:
    """The first bad prompts of a project fail before the next look."""
    process = Process(store)
    submit_job(store.database, new_job(), project="beta")
    for project in ("alpha", "beta"):
        create_key(store.database, project=project)
    process.write("long")
    process.turn()
    assert process.is_writing()

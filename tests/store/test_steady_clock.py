"""Steps of the machine's clock under an embedded database: what was due stays due, in every process."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.intake.submission import submit_job
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.transitions import retry
from jobs.store import database as database_module
from jobs.store import steady_clock
from jobs.store.database import Database, open_database
from jobs.store.steady_clock import SteadyClock
from tests.store.reserving import claim_now, take_due
from tests.store.store_fixtures import REFUSED, START, new_job, written

HOUR = timedelta(hours=1)
MOMENT = timedelta(seconds=1)
MOVES = st.lists(st.tuples(st.floats(min_value=0, max_value=100), st.integers(-10_000, 10_000), st.integers(0, 2)))


class Machine:
    """A machine's two clocks: the one that can be set, and the one that only runs."""

    def __init__(self) -> None:
        self.wall_ns = int(START.timestamp()) * 10**9
        self.running_ns = 5 * 10**9

    @property
    def time(self) -> datetime:
        return datetime.fromtimestamp(self.wall_ns // 10**9, UTC)

    def run(self, seconds: float) -> None:
        """Time goes by."""
        self.wall_ns += int(seconds * 10**9)
        self.running_ns += int(seconds * 10**9)

    def set_back(self, step: timedelta = HOUR) -> None:
        self.wall_ns -= int(step.total_seconds()) * 10**9

    def clock(self, path: Path | str) -> SteadyClock:
        """The clock as one process has it."""
        return SteadyClock(str(path), lambda: self.wall_ns, lambda: self.running_ns)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The machine that every database of the test is opened on."""
    made = Machine()
    monkeypatch.setattr(database_module, "SteadyClock", made.clock)
    return made


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database as another process has it."""
    database = open_database(url)
    try:
        yield database
    finally:
        database.close()


@pytest.mark.parametrize("began", ["before", "after"])
def test_a_job_is_taken_at_once_although_the_clock_was_set_back_an_hour(
    machine: Machine, sqlite_url: str, began: str
) -> None:
    with opened(sqlite_url) as api, opened(sqlite_url) as worker:
        if began == "before":
            assert worker.now() == machine.time
        job_id = submit_job(api, new_job()).id
        machine.set_back()
        assert machine.time < START
        assert take_due(worker, 10, 30.0) == [job_id]


def test_a_wait_and_a_lease_end_on_time_although_the_clock_was_set_back(machine: Machine, sqlite_url: str) -> None:
    with opened(sqlite_url) as worker, opened(sqlite_url) as other:
        waiting, running = (submit_job(worker, new_job()).id for _ in range(2))
        claim_now(worker, waiting, "w1", 15.0)
        retry(worker, waiting, 1, written(), REFUSED, worker.now() + timedelta(seconds=10))
        claim_now(worker, running, "w1", 10.0)
        machine.set_back()
        machine.run(9)
        assert take_due(other, 10, 30.0) == []
        assert rescue_lost(other) == []
        machine.run(3)  # a tenth longer than asked for, at most
        assert take_due(other, 10, 30.0) == [waiting]
        assert [change.id for change in rescue_lost(other)] == [running]


def test_the_time_that_was_reached_outlives_the_processes(machine: Machine, tmp_path: Path) -> None:
    first = machine.clock(tmp_path / "clock")
    assert first.now() == START
    first.close()
    machine.set_back()
    machine.run(5)
    assert START <= machine.clock(tmp_path / "clock").now() < START + 5 * MOMENT


def test_the_time_that_was_reached_outlives_a_boot(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = machine.clock(tmp_path / "clock")
    assert first.now() == START
    first.close()
    monkeypatch.setattr(steady_clock, "_boot_id", lambda: b"another boot, ab")
    machine.running_ns = 10**9
    machine.set_back()
    assert START - MOMENT < machine.clock(tmp_path / "clock").now() <= START


def test_the_machine_s_time_is_told_again_once_it_has_caught_up(machine: Machine, tmp_path: Path) -> None:
    clock = machine.clock(tmp_path / "clock")
    clock.now()
    machine.set_back(timedelta(minutes=6))
    machine.run(59 * 60)
    assert clock.now() > machine.time
    machine.run(2 * 60)
    assert clock.now() == machine.time


def test_a_step_forward_is_believed_at_once(machine: Machine, tmp_path: Path) -> None:
    clock = machine.clock(tmp_path / "clock")
    clock.now()
    machine.set_back(-HOUR)
    assert clock.now() == START + HOUR


@given(MOVES)
def test_no_process_sees_time_go_back(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[float, int, int]]
) -> None:
    machine = Machine()
    path = tmp_path_factory.mktemp("clock") / "clock"
    clocks = [machine.clock(path) for _ in range(3)]
    try:
        last = clocks[0].now()
        for seconds, step, who in moves:
            machine.run(seconds)
            machine.set_back(timedelta(seconds=step))
            now = clocks[who].now()
            assert now >= last - timedelta(milliseconds=50)  # so much may not have been written yet
            assert now >= machine.time
            last = max(last, now)
    finally:
        for clock in clocks:
            clock.close()


def test_without_its_file_a_process_goes_on_by_itself(machine: Machine, tmp_path: Path) -> None:
    clock = machine.clock(tmp_path / "missing" / "clock")
    assert clock.now() == START
    machine.set_back()
    assert START - MOMENT < clock.now() <= START

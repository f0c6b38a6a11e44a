"""The turns of the checks: the slow ones of one project keep the quick ones of another waiting for one of them."""

import threading

import pytest

from jobs.acceptance import check_turns
from jobs.acceptance.check_turns import CheckTurns, GivenUpError
from jobs.model import fair_turns
from tests.worker.worker_fixtures import PATIENCE_SECONDS, wait_until


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock says."""
    clock = [0.0]
    monkeypatch.setattr(check_turns, "monotonic", lambda: clock[0])
    return clock


def waiting(turns: CheckTurns) -> int:
    return len(turns._waiting)


def test_quick_checks_wait_for_one_slow_one_of_somebody_else(now: list[float]) -> None:
    turns, order = CheckTurns(), list[str]()

    def check(project: str, seconds: float) -> None:
        with turns.hold(project):
            order.append(project)
            now[0] += seconds

    asked = [("slow", 2.0)] * 3 + [("quick", 0.01)] * 20 + [("slow", 2.0)] * 3
    threads = [threading.Thread(target=check, args=one) for one in asked]
    with turns.hold("slow"):
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_until(lambda: waiting(turns) == number, "it waits")  # noqa: B023  # it is called here
        now[0] += 2.0
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert order == ["quick"] * 20 + ["slow"] * 6


def test_who_was_away_has_saved_up_no_turns(now: list[float]) -> None:
    turns = CheckTurns()
    for seconds in (5.0, 5.0):
        with turns.hold("red"):
            now[0] += seconds
    with turns.hold("blue"):
        now[0] += 1.0
    times = {project: turns._turns.time_of(project) for project in ("red", "blue")}
    assert times == {"red": 10.0, "blue": 6.0}  # it began where red's last turn had


def test_of_very_many_projects_the_one_that_has_just_had_its_turn_is_not_forgotten(
    now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be the first again, whatever its check took."""
    monkeypatch.setattr(check_turns, "MOST_REMEMBERED", 2)
    monkeypatch.setattr(fair_turns, "MOST_REMEMBERED", 2)
    turns = CheckTurns()
    for project in ("red", "green", "blue"):
        with turns.hold(project):
            now[0] += 20.0
    assert {project: turns._turns.time_of(project) for project in ("red", "blue")} == {"red": 0.0, "blue": 20.0}


def test_a_project_is_behind_by_the_time_that_its_waiting_checks_take(now: list[float]) -> None:
    turns = CheckTurns()
    give_up = threading.Event()

    def wait(project: str) -> None:
        with pytest.raises(GivenUpError), turns.hold(project, give_up.is_set):
            pass

    threads = [threading.Thread(target=wait, args=(project,)) for project in ["slow"] * 3 + ["quick"] * 30]
    with turns.hold("slow"):
        for thread in threads:
            thread.start()
        wait_until(lambda: waiting(turns) == len(threads), "all wait")
        assert turns.behind(100) == set()
        now[0] += 2.0  # the first check of all is not over yet, and known to be slow
        assert turns.behind(100) == {"slow"}
        give_up.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert turns.behind(100) == set()
        assert len(turns._waiting) == 0


def test_once_so_many_wait_no_project_of_theirs_gets_more_streams_whatever_its_checks_take() -> None:
    """Nobody knows what the first one takes: a project filled all streams before it had its first turn."""
    turns = CheckTurns()

    def check(project: str) -> None:
        with turns.hold(project):
            pass

    threads = [threading.Thread(target=check, args=(project,)) for project in ("new", "new", "other")]
    with turns.hold("slow"):
        for thread in threads:
            thread.start()
        wait_until(lambda: waiting(turns) == 3, "all wait")
        assert turns.behind(3) == set()
        assert turns.behind(2) == {"new", "other"}
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert turns.behind(0) == set()

"""A failure is forgiven only to a test that races real processes, only once, and never in silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import pathlib

import pytest

def loses(name, times):
    "Fail the first `times` times."
    runs = pathlib.Path(name)
    before = runs.stat().st_size if runs.exists() else 0
    with runs.open("a") as file:
        file.write("x")
    assert before >= times

def test_passes():
    loses("passes", 0)

@pytest.mark.races
def test_loses_once():
    loses("once", 1)

@pytest.mark.races
@pytest.mark.parametrize("word", ["two words"])
def test_loses_once_with(word):
    loses("with", 1)

@pytest.mark.races
def test_loses_twice():
    loses("twice", 2)

def test_of_the_store():
    loses("store", 1)

@pytest.mark.races
@pytest.mark.parametrize("number", range(4))
def test_of_many(number):
    loses(f"many {number}", 1)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_played.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = races: may lose\n")
    monkeypatch.chdir(tmp_path)


def once_more(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Without the plugins of this machine, each of these many runs takes a third of the time.
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environ.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "tests.suite.once_more", "-q", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


def runs(name: str) -> int:
    """How often the test that keeps count in this file has run."""
    return len(Path(name).read_text())


def test_a_race_that_was_lost_once_is_run_once_more_and_both_outcomes_are_printed() -> None:
    ran = once_more("-k", "passes or loses_once")
    assert ran.returncode == 0, ran.stdout
    assert (runs("passes"), runs("once"), runs("with")) == (1, 2, 2)
    for test in ("test_played.py::test_loses_once", "test_played.py::test_loses_once_with[two words]"):
        assert f"FAILED {test}" in ran.stdout
        assert f"once more: failed, and is run once more by itself: {test}\n" in ran.stdout
        assert f"once more: failed the first time and passed the second: {test}\n" in ran.stdout


def test_a_race_that_is_lost_twice_is_a_failure() -> None:
    ran = once_more("-k", "loses_twice or loses_once")
    assert ran.returncode == 1
    assert (runs("once"), runs("twice")) == (2, 2)
    assert "passed the second" not in ran.stdout


def test_a_test_without_the_mark_is_never_run_again_nor_are_others_beside_it() -> None:
    ran = once_more("-k", "of_the_store or loses_once")
    assert ran.returncode == 1
    assert (runs("store"), runs("once")) == (1, 1)
    assert "nothing is run again: no mark `races` on test_played.py::test_of_the_store\n" in ran.stdout


def test_more_than_three_failures_are_no_accident() -> None:
    ran = once_more("-k", "of_many")
    assert ran.returncode == 1
    assert [runs(f"many {number}") for number in range(4)] == [1] * 4
    assert "nothing is run again: 4 tests failed, and at most 3 are run again\n" in ran.stdout


def test_a_file_that_cannot_be_read_is_final() -> None:
    Path("test_broken.py").write_text("import nothing_of_this_name\n")
    ran = once_more("-k", "loses_once")
    assert ran.returncode == 2
    assert not Path("once").exists()


def test_what_an_earlier_run_left_forgives_nothing() -> None:
    assert once_more("-k", "of_the_store").returncode == 1
    ran = once_more("-k", "loses_once", "-p", "xdist", "-n", "2")
    assert ran.returncode == 0, ran.stdout
    assert (runs("store"), runs("once")) == (1, 2)


def test_a_run_that_ends_before_its_time_is_final() -> None:
    Path("test_ends.py").write_text("import os, pytest\n@pytest.mark.races\ndef test_ends():\n    os._exit(1)\n")
    ran = once_more("test_played.py", "test_ends.py", "-k", "loses_once or ends")
    assert ran.returncode == 1
    assert runs("once") == 1
    assert "nothing is run again: pytest did not say which tests failed\n" in ran.stdout

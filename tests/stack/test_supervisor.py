"""Processes that are kept running, ended in order, and never left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longhand.client.errors import StackError
from longhand.stack.signals import StopSignals
from longhand.stack.stack import wait_until_ready
from longhand.stack.supervisor import Child, Supervisor
from tests.conftest import free_port
from tests.stack.running_up import PATIENCE_SECONDS, ROOT, has_ended, watched_pids

pytestmark = pytest.mark.races

SAY = "import signal; print('here', flush=True); signal.pause()"
IDLE = [sys.executable, "-c", SAY]
DEAF = [sys.executable, "-c", f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SAY}"]


class Kept:
    """A supervisor, what it said, and a way to wait that ends when a child dies."""

    def __init__(self, signals: StopSignals, logs: Path) -> None:
        self.said: list[str] = []
        self.supervisor = Supervisor(self.said.append)
        self._signals = signals
        self._logs = logs

    def start(self, name: str, command: list[str], on_death: Callable[[int, str], None] | None = None) -> Child:
        return self.supervisor.start(name, command, os.environ, self._logs / f"{name}.log", on_death)

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, self.said
            self.supervisor.revive()
            self._signals.wait(self.supervisor.seconds_until_due(at_most=0.02))

    def until_here(self, child: Child, times: int = 1) -> None:
        self.until(lambda: child.log.exists() and child.log.read_text().count("here") >= times)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with StopSignals() as signals:
        kept = Kept(signals, tmp_path)
        try:
            yield kept
        finally:
            kept.supervisor.end_all(0)


def pid(child: Child) -> int:
    assert child.running is not None
    return child.running.pid


def test_a_killed_child_is_started_again_and_it_is_said(kept: Kept) -> None:
    child = kept.start("worker-1", IDLE)
    kept.until_here(child)
    first = pid(child)
    os.kill(first, signal.SIGKILL)
    kept.until_here(child, times=2)
    assert pid(child) != first
    assert kept.said == [
        f"worker-1 died (signal SIGKILL); starting it again in 0.5 s; its log is {child.log}",
        f"worker-1 runs again (process {pid(child)})",
    ]


def test_a_child_that_cannot_be_started_again_is_tried_later_and_keeps_no_other_from_running(kept: Kept) -> None:
    child, other = kept.start("worker-1", IDLE), kept.start("api", IDLE)
    kept.until_here(child)
    kept.until_here(other)
    child.log.unlink()
    child.log.mkdir()  # nothing can be written there
    os.kill(pid(child), signal.SIGKILL)
    kept.until(lambda: len(kept.said) >= 3)
    assert kept.said[1:3] == [
        "worker-1 does not start: Is a directory; trying again in 1 s",
        "worker-1 does not start: Is a directory; trying again in 2 s",
    ]
    assert other.running is not None
    assert other.running.poll() is None
    child.log.rmdir()
    kept.until_here(child)
    assert kept.said[-1] == f"worker-1 runs again (process {pid(child)})"


def test_a_folder_of_logs_that_was_removed_is_made_anew(kept: Kept, tmp_path: Path) -> None:
    child = kept.supervisor.start("worker-1", IDLE, os.environ, tmp_path / "logs" / "worker-1.log")
    kept.until_here(child)
    shutil.rmtree(tmp_path / "logs")
    os.kill(pid(child), signal.SIGKILL)
    kept.until_here(child)
    assert kept.said[-1] == f"worker-1 runs again (process {pid(child)})"


def test_the_pid_and_mark_of_a_child_that_died_are_told_and_those_of_one_that_was_ended_are_not(kept: Kept) -> None:
    """Each of its processes has a mark of its own, which nothing else has."""
    died: list[tuple[int, str]] = []
    say_mark = [sys.executable, "-c", f"import sys; print(sys.argv[1]); {SAY}"]
    child = kept.start("worker-1", say_mark, lambda pid, mark: died.append((pid, mark)))
    kept.until_here(child)
    first = pid(child)
    os.kill(first, signal.SIGKILL)
    kept.until_here(child, times=2)
    marks = [line for line in child.log.read_text().splitlines() if line != "here"]
    assert died == [(first, marks[0])]
    assert len(set(marks)) == 2
    kept.supervisor.end_all(PATIENCE_SECONDS)
    assert len(died) == 1


def test_a_child_that_dies_again_and_again_is_given_longer_and_longer_pauses(kept: Kept) -> None:
    kept.start("api", [sys.executable, "-c", "raise SystemExit(3)"])
    kept.until(lambda: sum("died" in line for line in kept.said) == 3)
    died = [line for line in kept.said if "died" in line]
    assert [line.split("; ")[:2] for line in died] == [
        ["api died (exit code 3)", f"starting it again in {pause} s"] for pause in ("0.5", "1", "2")
    ]


def test_children_end_on_sigterm_and_whoever_is_deaf_is_killed(kept: Kept) -> None:
    polite, deaf = kept.start("polite", IDLE), kept.start("deaf", DEAF)
    kept.until_here(polite)
    kept.until_here(deaf)
    with watched_pids({"polite": pid(polite), "deaf": pid(deaf)}) as descriptors:
        kept.supervisor.end([polite, deaf], within_seconds=0.5)
        assert has_ended(descriptors["polite"], 0)
        assert has_ended(descriptors["deaf"], 0)
    assert kept.said == ["deaf did not end within 0.5 s and was killed"]
    assert kept.supervisor.children == []


def test_a_frozen_child_ends_too(kept: Kept) -> None:
    child = kept.start("frozen", IDLE)
    kept.until_here(child)
    os.kill(pid(child), signal.SIGSTOP)
    kept.supervisor.end_all(PATIENCE_SECONDS)
    assert kept.said == []


def test_a_child_has_its_own_session_so_that_ctrl_c_does_not_reach_it(kept: Kept) -> None:
    child = kept.start("api", IDLE)
    kept.until_here(child)
    assert os.getsid(pid(child)) == pid(child) != os.getsid(0)


def test_a_log_grows_over_restarts_and_is_put_aside_when_it_is_large(kept: Kept) -> None:
    log = kept.start("api", IDLE).log
    kept.until(lambda: log.read_text() == "here\n")
    kept.supervisor.end_all(PATIENCE_SECONDS)
    kept.start("api", IDLE)
    kept.until(lambda: log.read_text() == "here\nhere\n")
    kept.supervisor.end_all(PATIENCE_SECONDS)
    with log.open("a") as file:
        file.truncate(10_000_001)
    kept.start("api", IDLE)
    kept.until(lambda: log.read_text() == "here\n")
    assert log.with_name("api.log.1").stat().st_size == 10_000_001
    assert log.stat().st_mode & 0o077 == 0


def test_the_log_of_a_process_that_runs_is_put_aside_when_it_is_large(kept: Kept) -> None:
    """Strangers may have lines written as fast as they ask: it grew by 40 GB an hour, on the disk of the database."""
    large = "signal.pthread_sigmask(signal.SIG_BLOCK, {10}); print('x' * 10_000_001, flush=True); signal.sigwait({10})"
    child = kept.start("api", [sys.executable, "-c", f"import signal; {large}; {SAY}"])
    aside = child.log.with_name("api.log.1")
    kept.until(lambda: aside.exists() and child.log.stat().st_size < 1_000_000)
    assert aside.stat().st_size > 10_000_000
    os.kill(pid(child), signal.SIGUSR1)
    kept.until(lambda: child.log.read_text().endswith("here\n"))
    assert child.log.stat().st_size < 1_000_000
    assert kept.said == [], "it ran on"


def test_a_child_that_dies_before_the_stack_is_ready_is_named_with_its_last_words(kept: Kept) -> None:
    child = kept.start("api", [sys.executable, "-c", "raise SystemExit('there is no table')"])
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(StackError) as failed:
        wait_until_ready(url, [child], lambda: kept.until(lambda: True))
    said = f"api ended (exit code 1) before it was ready: there is no table; its log is {child.log}"
    assert str(failed.value) == said


def test_no_child_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from longhand.stack.supervisor import Supervisor
child = Supervisor(print).start("idle", {IDLE!r}, os.environ, Path({str(tmp_path / "log")!r}))
print(child.running.pid, flush=True)
signal.pause()
"""
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        with watched_pids({"idle": child}) as descriptors:
            assert not has_ended(descriptors["idle"], 0)
            parent.kill()
            assert has_ended(descriptors["idle"])
    finally:
        parent.kill()
        parent.communicate()
    assert parent.returncode == -signal.SIGKILL


def test_a_child_whose_parent_is_gone_already_does_not_start(tmp_path: Path) -> None:
    leash = ROOT / "longhand" / "stack" / "leash.py"
    # The pid of a process that is not its parent stands for a parent that died before the leash was on.
    ran = subprocess.run([sys.executable, str(leash), "1", "touch", str(tmp_path / "started")], check=False)
    assert ran.returncode == 1
    assert not (tmp_path / "started").exists()

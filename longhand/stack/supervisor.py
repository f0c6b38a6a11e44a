"""Keeps processes running: starts them, restarts them when they die, and ends them in order."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from longhand.words.catalogue import t, translated

_LEASH = Path(__file__).with_name("leash.py")
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_SETTLED_SECONDS = 30.0
"""A process that dies after running this long is restarted at once, and its earlier deaths no longer count."""
_LARGEST_LOG_BYTES = 10_000_000
"""A log that is larger is put aside, in the place of the one before."""


@dataclass(slots=True)
class Child:
    """One process to keep running."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    running: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0
    """When to start it again, on the monotonic clock."""
    deaths: int = 0
    """How often it has died since it last ran for that long."""
    on_death: Callable[[int, str], None] | None = None
    """Called when its process is gone that nobody ended, with the pid and the mark: a random word that each process of
    such a child is given as its last argument."""
    mark: str = ""

    def last_log_line(self) -> str:
        """The last line of its log, for a message that says why it died."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 4096))
                lines = file.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


@dataclass(slots=True)
class Supervisor:
    """Holds the children. Use it from the main thread alone: the leash is tied to the thread that starts a child."""

    report: Callable[[str], None]
    """Called with one line for the person at the terminal."""
    children: list[Child] = field(default_factory=list)

    def start(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        log: Path,
        on_death: Callable[[int, str], None] | None = None,
    ) -> Child:
        """Start a process and keep it. Its output goes to the end of the file `log`."""
        child = Child(name, command, environ, log, on_death=on_death)
        self.children.append(child)
        _launch(child)
        return child

    def revive(self) -> None:
        """Notice the children that have died, and restart those that are due."""
        now = time.monotonic()
        for child in self.children:
            _make_room(child.log)
            if child.running is not None and child.running.poll() is not None:
                how = describe_end(child.running.returncode)
                if child.on_death is not None:
                    child.on_death(child.running.pid, child.mark)
                child.running = None
                pause = _pause_after(child, now)
                child.due_at = now + pause
                key = "up.died_pause" if pause else "up.died"
                self.report(t(key, name=child.name, how=how, seconds=f"{pause:g}", log=child.log))
            if child.running is None and now >= child.due_at:
                try:
                    _launch(child)
                except OSError as error:  # such as no room, or no permission: others go on running
                    child.started_at = now
                    pause = _pause_after(child, now)
                    child.due_at = now + pause
                    why = translated(str(error.strerror))
                    self.report(t("up.not_started", name=child.name, why=why, seconds=f"{pause:g}"))
                    continue
                if child.deaths > 0:
                    self.report(t("up.runs_again", name=child.name, pid=_pid(child)))

    def seconds_until_due(self, at_most: float) -> float:
        """How long there is nothing to do, unless a child dies."""
        now = time.monotonic()
        dues = [child.due_at - now for child in self.children if child.running is None]
        return max(0.0, min([at_most, *dues]))

    def end(self, children: Sequence[Child], within_seconds: float) -> None:
        """End these children: SIGTERM to all, then SIGKILL to those that are still there when the time is up."""
        deadline = time.monotonic() + within_seconds
        running = [child for child in children if child.running is not None]
        self.children = [child for child in self.children if child not in children]
        for child in running:
            _signal(child, signal.SIGTERM)
            # A stopped process acts on SIGTERM only when it is continued.
            _signal(child, signal.SIGCONT)
        for child in running:
            if not _ended(child, max(0.0, deadline - time.monotonic())):
                self.report(t("up.killed", name=child.name, seconds=f"{within_seconds:g}"))
                _signal(child, signal.SIGKILL)
                _ended(child, 10)

    def end_all(self, within_seconds: float) -> None:
        """End every child that is left."""
        self.end(list(self.children), within_seconds)


def describe_end(code: int) -> str:
    """How a process ended, from its return code."""
    return t("up.exit_code", code=code) if code >= 0 else t("up.signal", name=signal.Signals(-code).name)


def _launch(child: Child) -> None:
    child.log.parent.mkdir(parents=True, exist_ok=True)
    _make_room(child.log)
    child.mark = secrets.token_hex(4) if child.on_death is not None else ""
    command = [*child.command, *filter(None, [child.mark])]
    descriptor = os.open(child.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        child.running = subprocess.Popen(  # noqa: S603  # the stack's own commands
            [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *command],
            env=dict(child.environ),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            # Ctrl-C goes to the terminal's whole process group, and must reach only the process that ends all in order.
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    child.started_at = time.monotonic()


def _make_room(log: Path) -> None:
    """Copied and emptied, not renamed: a process that runs goes on writing to its end. A line that is written between
    the two is lost.
    """
    with suppress(OSError):
        if log.stat().st_size > _LARGEST_LOG_BYTES:
            with suppress(OSError):  # on a full disk there is no room for a copy, and all the more need of some
                shutil.copy(log, log.with_name(log.name + ".1"))
            os.truncate(log, 0)


def _pause_after(child: Child, now: float) -> float:
    settled = now - child.started_at >= _SETTLED_SECONDS
    child.deaths = 1 if settled else child.deaths + 1
    if settled:
        return 0.0
    return min(_FIRST_PAUSE_SECONDS * 2.0 ** (child.deaths - 1), _LONGEST_PAUSE_SECONDS)


def _pid(child: Child) -> int | None:
    return child.running.pid if child.running else None


def _signal(child: Child, number: signal.Signals) -> None:
    if child.running is not None and child.running.poll() is None:
        child.running.send_signal(number)


def _ended(child: Child, within_seconds: float) -> bool:
    if child.running is None:
        return True
    try:
        child.running.wait(within_seconds)
    except subprocess.TimeoutExpired:
        return False
    child.running = None
    return True

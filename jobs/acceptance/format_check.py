"""Checks texts and schemas in a separate process, because a process can be killed and a thread cannot.

A schema that somebody submits may take for ever, and `jsonschema-rs` holds Python's lock while it works: in our own
process nothing else would run, no heartbeat and no request.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from time import monotonic
from typing import Any

from jobs.acceptance.answer_format import FormatError, join_path, read_format
from jobs.acceptance.check_turns import CheckTurns, GivesUp
from jobs.acceptance.rejections import Rejection
from jobs.acceptance.rules import read_rules, schema_text

CPU_SECONDS = 2.0
"""How long one question may compute. An honest one takes milliseconds."""

LONGEST_SCHEMA = 1 << 20
"""How long a schema may be as JSON, in bytes."""

_REMEMBERED = 256

_SLOW_SECONDS = 0.25
MOST_SLOW_SECONDS = 6.0
"""How long all slow schemas of one submission may take to read. A file may have 50,000 of them."""

MOST_TRIES = 4
"""How often a question is asked whose process somebody else ends, such as a system without memory."""

_FROM_OUTSIDE = frozenset((-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT, -signal.SIGQUIT))
"""The process itself ends with SIGPROF when a question takes too long, or in another way without memory."""

_spent: ContextVar[float | None] = ContextVar("slow_schemas", default=None)
"""What the slow schemas of this submission took, in seconds. One thread reads it, in the context of its request."""


def count_slow_schemas() -> None:
    """From here on, in this context, the slow schemas are those of one submission."""
    _spent.set(0.0)


class TooSlowError(Exception):
    """The question took too long, or too much memory."""


class CheckEndedError(Exception):
    """Somebody else ended the checking process each time, so nothing is known of the question."""


class FormatCheck:
    """Answers one question after the other, for all threads, the projects in turn by the time they take. The process is
    started when it is first needed.
    """

    def __init__(self, cpu_seconds: float = CPU_SECONDS) -> None:
        self.cpu_seconds = cpu_seconds
        self.turns = CheckTurns()
        self._child: subprocess.Popen[str] | None = None
        self._stops = 0
        self._faults: dict[str, tuple[Sequence[str | int], str] | None] = {}
        self._remembering = threading.Lock()

    def check_format(self, response_format: Any, project: str = "") -> None:
        """Raises `FormatError` when no text can be held to a `response_format`."""
        wanted = read_format(response_format)
        if wanted is None or wanted.schema is None:
            return
        self._check_schema(wanted.schema, wanted.path, project)

    def check_rules(self, rules: Any, project: str = "") -> dict[str, Any]:
        """The rules of an `accept`. Raises `RuleError`, and `FormatError` for its schema."""
        wanted = read_rules(rules)
        schema = schema_text(wanted)
        if schema is not None:
            self._check_schema(schema, "json_schema", project)
        return wanted

    def find_mismatch(
        self, schema: str | None, text: str, project: str = "", gives_up: GivesUp | None = None
    ) -> str | None:
        """Where and why a text is not what was asked for; None when it is. Raises `TooSlowError`, `CheckEndedError`,
        and `GivenUpError` when its turn has not come before `gives_up` says so.
        """
        mismatch: str | None = self._ask({"schema": schema, "text": text}, project, gives_up)["mismatch"]
        return mismatch

    def find_rejections(
        self,
        rules: Mapping[str, Any],
        text: str,
        *,
        cut_short: bool,
        project: str = "",
        gives_up: GivesUp | None = None,
    ) -> list[Rejection]:
        """Every reason why a text is not accepted. Raises as `find_mismatch`."""
        question = {"accept": rules, "text": text, "cut_short": cut_short}
        found: list[Rejection] = self._ask(question, project, gives_up)["rejections"]
        return found

    def stop(self) -> None:
        """Let all that was asked until now be given up, each with `TooSlowError`: a process that is about to end does
        not wait for it.
        """
        self._stops += 1
        if (child := self._child) is not None:
            child.kill()

    def close(self) -> None:
        with self.turns.hold(""):
            self._end()

    def _check_schema(self, schema: str, at: str, project: str) -> None:
        if len(schema) > LONGEST_SCHEMA:
            raise FormatError(at, f"is longer than {LONGEST_SCHEMA} bytes")
        fault = self._find_fault(schema, project)
        if fault is not None:
            path, reason = fault
            raise FormatError(join_path(at, path), reason)

    def _find_fault(self, schema: str, project: str) -> tuple[Sequence[str | int], str] | None:
        """What is wrong with a schema. It is remembered: many jobs of a batch have the same one."""
        with suppress(KeyError):  # another thread may forget it at any moment
            return self._faults[schema]
        if (_spent.get() or 0.0) > MOST_SLOW_SECONDS:
            return (), f"comes after others that took more than {MOST_SLOW_SECONDS:g} s to read: make them simpler"
        fault: tuple[Sequence[str | int], str] | None
        try:
            fault = self._ask({"schema": schema, "text": None}, project)["fault"]
        except TooSlowError:
            fault = (), f"takes more than {self.cpu_seconds:g} s or too much memory to read: make it simpler"
        with self._remembering:
            while len(self._faults) >= _REMEMBERED:
                del self._faults[next(iter(self._faults))]
            self._faults[schema] = fault
        return fault

    def _ask(self, question: dict[str, Any], project: str, gives_up: GivesUp | None = None) -> dict[str, Any]:
        stops, was_ended = self._stops, False
        with self.turns.hold(project, gives_up):
            began = monotonic()
            try:
                for number in range(MOST_TRIES):
                    if self._stops != stops:
                        break
                    answer, ended_by = self._try(question)
                    if answer is not None:
                        return answer
                    was_ended = ended_by in _FROM_OUTSIDE
                    # Without memory it is asked again once: the questions before may have left little of it.
                    if ended_by == -signal.SIGPROF or (number > 0 and not was_ended):
                        break
            finally:
                took, spent = monotonic() - began, _spent.get()
                if spent is not None and took > _SLOW_SECONDS:
                    _spent.set(spent + took)
            if self._stops == stops:
                self._start_next()
                if was_ended:
                    raise CheckEndedError
        raise TooSlowError

    def _start_next(self) -> None:
        """Behind a question that has ended its process, and still in its turn: else the next one, of another project,
        would seem to take the half second, and that project to be slow.
        """
        with suppress(OSError):  # the next question that needs it tells
            self._try({"schema": None, "text": None})

    def _try(self, question: dict[str, Any]) -> tuple[dict[str, Any] | None, int | None]:
        """The child's answer; without one, what ended the child."""
        child = self._child = self._child or self._start()
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the checking process has no pipes")
        try:
            child.stdin.write(json.dumps(question) + "\n")
            child.stdin.flush()
            line = child.stdout.readline()
        except OSError:
            line = ""
        if line.endswith("\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer, None
        return None, self._end()

    def _start(self) -> "subprocess.Popen[str]":
        # Of the environment it gets what it needs to start, and no key.
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR")}
        return subprocess.Popen(  # noqa: S603 (our own module)
            [sys.executable, "-m", "jobs.acceptance.format_child", str(self.cpu_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="ascii",
            env=kept | {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)},
        )

    def _end(self) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        child.kill()
        child.communicate()  # waits, and closes the pipes, whatever is left in them
        return child.returncode

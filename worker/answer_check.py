"""Holds finished texts to the format that was asked for, in a process beside the worker that may be ended."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from jobs.answer_format import FormatError, read_format
from worker.upstream.errors import UpstreamError

CPU_SECONDS = 5.0
"""How long one check may compute. An honest one takes milliseconds."""


class SchemaMismatch(UpstreamError):  # noqa: N818 (as the other errors of an answer)
    """The text is not what `response_format` asks for. Another attempt may well write what is."""

    code = "schema_mismatch"


class SchemaNotChecked(UpstreamError):  # noqa: N818
    """The check took too long. Another text would not be checked sooner."""

    code = "schema_not_checked"
    retryable = False


class AnswerCheck:
    """Checks texts one after the other, for all threads. The process is started when it is first needed."""

    def __init__(self, cpu_seconds: float = CPU_SECONDS) -> None:
        self._cpu_seconds = cpu_seconds
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None

    def find_error(self, request: dict[str, Any] | None, text: str) -> UpstreamError | None:
        """Why a finished text is not what its request asked for; None when it is, or when any text would do."""
        try:
            wanted = read_format((request or {}).get("response_format"))
        except FormatError:
            return None  # it was submitted to a version that did not check it
        if wanted is None:
            return None
        with self._lock:
            # Twice: the process may also be ended by somebody else, as by a system that is out of memory.
            for _ in range(2):
                answer, ended_by = self._ask({"schema": wanted.schema, "text": text})
                if answer is not None or ended_by == -signal.SIGPROF:
                    break
        if answer is None:
            return SchemaNotChecked(
                f"the text could not be checked against the schema within {self._cpu_seconds:g} s: make the schema"
                " simpler (nested anyOf, oneOf and $ref multiply), or submit the job without it"
            )
        mismatch = answer["mismatch"]
        if mismatch is None:
            return None
        return SchemaMismatch(f"the text is not what response_format asks for: {mismatch}")

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _ask(self, question: dict[str, Any]) -> tuple[dict[str, Any] | None, int | None]:
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
            [sys.executable, "-m", "worker.schema_child", str(self._cpu_seconds)],
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

"""A program beside the test, in a process of its own: what it does takes no time from the test's upstream and watchers,
and what it measures does not wait for them. It says what it has counted whenever it is asked.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from longhand.stack import leash


class Beside:
    """Such a program as the test holds it. Use it as a context manager; it is killed at the end."""

    def __init__(self, module: str, url: str, *arguments: str) -> None:
        address = urlsplit(url)
        where = [address.hostname or "", str(address.port)]
        command = [sys.executable, leash.__file__, str(os.getpid()), sys.executable, "-m", module, *where, *arguments]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)

    def __enter__(self) -> "Beside":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def take(self) -> dict[str, Any]:
        """What it has counted so far, or measured since the last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        taken: dict[str, Any] = json.loads(self._process.stdout.readline())
        return taken


async def answer_questions(doing: Coroutine[Any, Any, object], take: Callable[[], dict[str, Any]]) -> None:
    """Do this until the test is gone, and tell it what `take` says at each line that it sends."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(doing)
    while await loop.run_in_executor(None, sys.stdin.readline):
        if task.done():
            task.result()
        sys.stdout.write(json.dumps(take()) + "\n")
        sys.stdout.flush()

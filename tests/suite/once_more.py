"""Run pytest, and once more the tests that failed if each of them races real processes.

`python -m tests.suite.once_more ARGUMENTS` takes pytest's arguments. A test with the mark `races` kills and freezes
real processes against real leases of seconds: on a machine that other work slows down it may lose its race. When at
most three tests failed, and all of them have that mark, these run once more by themselves. Every other failure is
final.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

MOST = 3
"""More failures than this are no accident."""

_LAST_FAILED = Path(".pytest_cache/v/cache/lastfailed")
_TESTS_FAILED = 1
"""pytest's status when it ran all tests and some failed; any other tells of a run that was not whole."""


def main(arguments: Sequence[str]) -> int:
    """Run the tests. Returns the status of pytest, or 0 if those that failed passed the second time."""
    _LAST_FAILED.unlink(missing_ok=True)  # what an earlier run left says nothing of this one
    status = _pytest(*arguments)
    if status != _TESTS_FAILED:
        return status
    failed = sorted(json.loads(_LAST_FAILED.read_text())) if _LAST_FAILED.exists() else []
    refusal = _why_not_again(failed)
    if refusal:
        _say(f"nothing is run again: {refusal}")
        return status
    for test in failed:
        _say(f"failed, and is run once more by itself: {test}")
    if (again := _pytest("-q", "-s", *failed)) != 0:
        return again
    for test in failed:
        _say(f"failed the first time and passed the second: {test}")
    return 0


def _why_not_again(failed: Sequence[str]) -> str:
    """Why the tests that failed are not run again; "" if they may be."""
    if not failed:
        return "pytest did not say which tests failed"
    if len(failed) > MOST:
        return f"{len(failed)} tests failed, and at most {MOST} are run again"
    racing = _racing(failed)
    if final := [test for test in failed if test not in racing]:
        return "no mark `races` on " + ", ".join(final)
    return ""


def _racing(tests: Sequence[str]) -> set[str]:
    """Those of the tests that have the mark."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "races", *tests]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return set(listed.splitlines())


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def _say(line: str) -> None:
    print(f"once more: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

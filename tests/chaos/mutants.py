"""The mutation check: takes out what the product stands on, one thing at a time, and sees the tests go red.

`python -m tests.chaos.mutants [name...]` copies the tree for each to a temporary folder and changes it there, as
`taken_out.py` and `taken_out_of_dispatch.py` say. It ends with status 1 if a mutant survives, if a change does not
apply, or if a test is red without any.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.chaos import taken_out, taken_out_of_dispatch
from tests.chaos.mutant import Mutant

MUTANTS = (*taken_out.MUTANTS, *taken_out_of_dispatch.MUTANTS)

ROOT = Path(__file__).parent.parent.parent
_COPIED = ("api", "jobs", "longhand", "migrations", "tests", "worker")
_AT_ONCE = 2
"""Mutants, each in a tree of its own: their tests mostly wait, for leases to run out."""

_RED = 1
"""pytest's exit status for tests that failed; all others above 0 say that it could not run them."""


def main() -> int:
    """Run the mutants named, or all; the exit status."""
    parser = argparse.ArgumentParser(description="Take out what the product stands on, and see the tests go red.")
    parser.add_argument("names", nargs="*", help="the mutants to try; all when none is named")
    names = parser.parse_args().names
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    if unknown := set(names) - {mutant.name for mutant in chosen}:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    with _copied_tree() as tree:
        for edit in [edit for mutant in chosen for edit in mutant.edits]:
            _mutate(tree, edit, write=False)
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        status, output = _run(tree, tests, "--maxfail=1", "-n", str(_AT_ONCE), "--dist", "worksteal")
    if status:
        print(output[-4000:], "\nred without any mutation", sep="")
        return 1
    with ThreadPoolExecutor(_AT_ONCE) as trying:
        rows = [(mutant.name, *tried) for mutant, tried in zip(chosen, trying.map(_try, chosen), strict=True)]
    width = max(len(name) for name, _, _ in rows)
    for name, verdict, seconds in rows:
        print(f"{name:<{width}}  {verdict:<12}  {seconds:5.1f} s")
    killed = sum(verdict == "killed" for _, verdict, _ in rows)
    print(f"{killed} of {len(rows)} mutants killed")
    return 0 if killed == len(rows) else 1


def _try(mutant: Mutant) -> tuple[str, float]:
    began = time.monotonic()
    with _copied_tree() as tree:
        for edit in mutant.edits:
            _mutate(tree, edit)
        status, output = _run(tree, mutant.tests, "-x")
    verdict = {0: "survived", _RED: "killed"}.get(status, f"error {status}")
    if status not in (0, _RED):
        print(output[-4000:])
    seconds = time.monotonic() - began
    why = next((line[1:].strip() for line in output.splitlines() if line.startswith("E  ")), "")
    print(f"... {mutant.name}: {verdict} ({seconds:.0f} s) {why[:140]}", flush=True)
    return verdict, seconds


def _mutate(tree: Path, edit: tuple[str, str, str], *, write: bool = True) -> None:
    path, old, new = edit
    text = (tree / path).read_text()
    if text.count(old) != 1:
        raise SystemExit(f"{path} has {text.count(old)} places instead of one with\n{old}")
    mutated = text.replace(old, new)
    compile(mutated, path, "exec")
    if write:
        (tree / path).write_text(mutated)


@contextmanager
def _copied_tree() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="longhand-mutants-") as directory:
        tree = Path(directory)
        for name in _COPIED:
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        yield tree


def _run(tree: Path, tests: Sequence[str], *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        + [f"tests/{test}" if "/" in test.partition("::")[0] else f"tests/chaos/{test}" for test in tests],
        cwd=tree,
        # The installed package is the real tree: the copy comes before it. Its files change no more, so each process
        # that a test starts finds them compiled.
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())

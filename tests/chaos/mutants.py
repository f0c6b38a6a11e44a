"""The mutation check: takes out what the product stands on, one thing at a time, and sees the tests go red.

`python -m tests.chaos.mutants [name...]` copies the tree to a temporary folder and changes it there. It ends with
status 1 if a mutant survives, if a change does not apply, or if a test is red without any.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_COPIED = ("api", "jobs", "longhand", "migrations", "tests", "worker")
_RED = 1
"""pytest's exit status for tests that failed; all others above 0 say that it could not run them."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """What is taken out, and the tests that must notice. Each edit is a file, what stands there, and what instead."""

    name: str
    edits: Sequence[tuple[str, str, str]]
    tests: Sequence[str]


MUTANTS = (
    Mutant(
        "no attempt fence",
        [(
            "jobs/transitions.py",
            "and_(jobs.c.id == job_id, jobs.c.attempt == attempt, jobs.c.status == JobStatus.IN_PROGRESS)",
            "and_(jobs.c.id == job_id, jobs.c.status == JobStatus.IN_PROGRESS)",
        )],
        ["test_zombies.py::test_a_zombie_that_wakes_up_before_its_finish_stores_nothing"],
    ),
    Mutant(
        "snapshot before subscribe",
        [(
            "api/watching/job_watch.py",
            "        async with self._hub.watch(self._job_id) as inbox:\n",
            ("        async for frame in self._look(Inbox([])):\n            yield frame\n"
            "        async with self._hub.watch(self._job_id) as inbox:\n"),
        ), (
            "api/watching/job_watch.py",
            ("            async for frame in self._look(inbox):\n"
            "                self._sent_at = self._now()\n                yield frame\n"),
            "",
        )],
        ["test_order.py::test_a_watcher_subscribes_before_it_reads"],
    ),
    Mutant(
        "done before the commit",
        [(
            "worker/leave.py",
            'verb, kept = "finish", keep(',
            ('self._tell(running, status, written)\n'
            '            verb, kept = "finish", keep('),
        )],
        ["test_order.py::test_done_is_told_only_after_the_commit"],
    ),
    Mutant(
        "hint inside the transaction",
        [(
            "jobs/submission.py",
            "def submit_job(\n    database: Database,\n    job: NewJob,\n    *,\n",
            "def submit_job(\n    database: Database,\n    job: NewJob,\n    *,\n    hint: Any,\n",
        ), (
            "jobs/submission.py",
            "[job_row(job_id, project, None, job, now, hinted_at=now)])\n",
            "[job_row(job_id, project, None, job, now, hinted_at=now)])\n        hint((job_id,))\n",
        ), (
            "api/submitting/submit.py",
            "submit_job(parts.database, job, project=caller.project, idempotency_key=key)",
            "submit_job(parts.database, job, project=caller.project, idempotency_key=key, hint=parts.hinter.hint)",
        ), (
            "api/submitting/submit.py",
            "    if accepted.hinted:\n        parts.hinter.hint(accepted.hinted)\n    stored = read_job(",
            "    stored = read_job(",
        )],
        ["test_order.py::test_no_hint_is_sent_before_its_job_is_committed"],
    ),
    Mutant(
        "a claim that asks for no status",
        [("jobs/lease.py", ".where(is_due(now))", ".where(jobs.c.due_at <= now)")],
        ["test_order.py::test_a_job_hinted_a_hundred_times_is_started_once"],
    ),
    Mutant(
        "rescue without a look at the lease",
        [
            ("jobs/rescue.py", "JobStatus.IN_PROGRESS, jobs.c.lease_until < run_out_before)", "JobStatus.IN_PROGRESS)"),
            ("jobs/rescue.py", "            jobs.c.lease_until < now,\n", ""),
        ],
        ["test_killed_workers.py::test_a_long_job_is_asked_for_once"],
    ),
    Mutant(
        "rescue at once after the database hung",
        [
            ("worker/dispatch.py", "run_out_before=last)", "run_out_before=None)"),
            ("worker/dispatch.py", "if hung or monotonic() - began", "if hung and monotonic() - began"),
        ],
        ["test_database_faults.py::test_jobs_stream_on_while_the_database_is_away[freeze]"],
    ),
    Mutant(
        "a lost tail is not written anew",
        [(
            "worker/recorder.py",
            "            recording.write_anew()\n            self.wake(recording)\n        return told\n",
            "            self.wake(recording)\n        return told\n",
        )],
        ["test_redis_faults.py::test_an_erased_redis_costs_no_job_and_no_byte"],
    ),
    Mutant(
        "a zombie's messages are not dropped",
        [("jobs/channel.py", "        if message.attempt < self.attempt:\n            return []\n", "")],
        ["test_zombies.py::test_no_watcher_shows_what_a_zombie_writes_while_attempt_2_runs"],
    ),
    Mutant(
        "a drain that gives nothing back",
        [(
            "worker/leave.py",
            'verb, kept = "release", keep(running, transitions.release, *end)',
            'verb, kept = "release", False',
        )],
        ["test_stopping.py::test_a_drain_gives_back_every_stream_and_charges_none"],
    ),
    Mutant(
        "an unknown commit counts as none",
        [("jobs/transitions.py", "            return connection.scalar(own) == outcome", "            return False")],
        ["test_database_faults.py::test_a_commit_that_reports_an_error_costs_and_doubles_nothing[finish-carried_out]"],
    ),
    Mutant(
        "an unknown claim counts as lost",
        [("jobs/lease.py", "row = _find_own(connection, job_id, worker, earlier)", "row = None")],
        ["test_database_faults.py::test_a_commit_that_reports_an_error_costs_and_doubles_nothing[claim-carried_out]"],
    ),
    Mutant(
        "a key that is not looked up",
        [("jobs/idempotency.py", "    if idempotency_key is None:\n        return None\n", "    return None\n")],
        ["test_submitting.py::test_an_api_killed_at_any_step_and_a_client_that_retries_make_one_batch[in_its_commit]"],
    ),
    Mutant(
        "suspects run together",
        [("worker/running.py", "CRASH_ROOM = {2: 1}", "CRASH_ROOM = {2: 1000}")],
        ["test_killed_workers.py::test_a_poison_job_ends_after_three_crashes_and_its_neighbours_finish"],
    ),
    Mutant(
        "a lost attempt that nobody counts",
        [("jobs/rescue.py", "        keep_lost_texts(connection, [(one.id, one.attempt) for one in moved])\n", "")],
        ["test_killed_workers.py::test_a_worker_killed_at_any_point_costs_no_job_and_no_byte[checkpoint]"],
    ),
    Mutant(
        "a cancel that no heartbeat looks for",
        [("worker/heartbeat.py", "                self._stop_unwanted()\n", "")],
        ["test_stopping.py::test_a_cancel_closes_the_upstream_within_2_seconds[redis_frozen]"],
    ),
)  # fmt: skip


def main() -> int:
    """Run the mutants named, or all; the exit status."""
    parser = argparse.ArgumentParser(description="Take out what the product stands on, and see the tests go red.")
    parser.add_argument("names", nargs="*", help="the mutants to try; all when none is named")
    names = parser.parse_args().names
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    if unknown := set(names) - {mutant.name for mutant in chosen}:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    for mutant in chosen:
        for edit in mutant.edits:
            _mutate(ROOT, edit, write=False)
    with tempfile.TemporaryDirectory(prefix="longhand-mutants-") as directory:
        tree = Path(directory)
        _copy(tree)
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        status, output = _run(tree, tests, "--maxfail=1")
        if status:
            print(output[-4000:], "\nred without any mutation", sep="")
            return 1
        rows = [(mutant.name, *_try(tree, mutant)) for mutant in chosen]
    width = max(len(name) for name, _, _ in rows)
    for name, verdict, seconds in rows:
        print(f"{name:<{width}}  {verdict:<12}  {seconds:5.1f} s")
    killed = sum(verdict == "killed" for _, verdict, _ in rows)
    print(f"{killed} of {len(rows)} mutants killed")
    return 0 if killed == len(rows) else 1


def _try(tree: Path, mutant: Mutant) -> tuple[str, float]:
    began = time.monotonic()
    untouched = {path: (tree / path).read_text() for path, _, _ in mutant.edits}
    try:
        for edit in mutant.edits:
            _mutate(tree, edit)
        status, output = _run(tree, mutant.tests, "-x")
    finally:
        for path, text in untouched.items():
            (tree / path).write_text(text)
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


def _copy(tree: Path) -> None:
    for name in _COPIED:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)


def _run(tree: Path, tests: Sequence[str], *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
        + [f"tests/chaos/{test}" for test in tests],
        cwd=tree,
        # The installed package is the real tree: the copy comes before it. No bytecode, for a file that is written
        # twice within a second can look unchanged.
        env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())

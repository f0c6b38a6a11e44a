"""Workers that die: nothing is lost, nothing is stored twice, and whoever watches ends with exactly what is stored."""

import random
import signal
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts
from jobs.tables import jobs
from longhand.simulator import ServedSimulator
from tests.chaos.crash_worker import POINTS
from tests.chaos.invariants import articles, check
from tests.chaos.processes import POLL_SECONDS, Process, wait_until
from tests.chaos.stack import QUICK, Stack


def test_a_worker_killed_with_50_streams_is_replaced_within_45_seconds(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 2, with the default lease and heartbeat. The other worker is full while it lasts, and takes them after."""
    doomed = stack.start_worker(LONGHAND_STREAMS="50")
    stack.start_api()
    ids = stack.submit(articles(50, deltas=500, per_second=20))
    watchers = stack.watch(ids)
    upstream.wait_until(lambda seen: seen["running"] == 50)
    stack.start_worker()
    for watcher in watchers:
        watcher.wait_for_bytes(20)
    doomed.kill()
    killed_at = time.monotonic()
    upstream.wait_until(lambda seen: seen["clients_gone"] == 50)
    upstream.wait_until(lambda seen: seen["requests"] == 100 and seen["running"] == 50, timeout_seconds=45)
    print(f"all 50 running again after {time.monotonic() - killed_at:.1f} s")
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers, most_calls=100)
    assert (tally.statuses[JobStatus.COMPLETED], tally.lost, tally.resets) == (50, 50, 50)


def test_the_reasoning_and_the_texts_of_50_streams_are_exact_over_two_kills(
    stack: Stack, upstream: ServedSimulator
) -> None:
    """One kill while all think, and one while all write; each hits half of them, as a job under which two workers have
    died runs alone.
    """
    settings = {**QUICK, "LONGHAND_STREAMS": "25"}
    stack.start_api()
    first, second = stack.start_worker(**settings), stack.start_worker(**settings)
    orders = {"deltas_per_second": 60, "first_delta_seconds": 0.05, "reasoning": 500}
    watchers = stack.watch(stack.submit(articles(50, deltas=500, per_second=60, simulate=orders)))
    for watcher in watchers:
        watcher.wait_for_reasoning(1000)
    first.kill()
    stack.start_worker(**settings)
    stack.wait_rescued(first, 45)
    for watcher in watchers:
        watcher.wait_for_bytes(100)
    second.kill()
    stack.start_worker(**settings)
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers, most_calls=100)
    assert tally.statuses == {JobStatus.COMPLETED: 50}
    assert tally.lost >= 10  # the kills hit streams; how many is a matter of pace


def test_25_kills_lose_no_hint_for_good(sqlite_stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 3: 2,000 short jobs and more over two workers, one of which is killed again and again."""
    stack = sqlite_stack
    chance = random.Random(25)
    settings = {**QUICK, "LONGHAND_STREAMS": "16"}
    stack.start_api()
    workers = [stack.start_worker(**settings) for _ in range(2)]
    submitted = killed_running = 0
    for _ in range(25):
        # However long the workers take to start, the kills come while there is work.
        while submitted < 2000 or stack.count(JobStatus.QUEUED) < 500:
            stack.submit(articles(500, deltas=5, per_second=50, first=submitted))
            submitted += 500
        done = stack.count(JobStatus.COMPLETED)
        stack.wait_count(JobStatus.COMPLETED, done + 30)
        # On a busy machine the jobs of a moment ago may have ended, and the next ones not have begun.
        killed_running += wait_until(lambda: max(0, upstream.stats()["running"] - 1), 60, "two streams run") + 1
        victim = workers.pop(0)
        _kill_for_no_third_time(stack, victim)
        workers.append(stack.start_worker(**settings))
        chance.shuffle(workers)
    assert killed_running > 25
    stack.wait_final(300)
    tally = check(stack, upstream, most_calls=submitted + 25 * 16)
    assert tally.lost > 0, "the kills met running jobs"
    assert tally.statuses == {JobStatus.COMPLETED: submitted}
    print(f"25 kills, {tally.lost} attempts lost with them, {tally.calls} calls")


def test_a_poison_job_ends_after_three_crashes_and_its_neighbours_finish(
    stack: Stack, upstream: ServedSimulator
) -> None:
    """Fault 5."""
    stack.start_api()
    ids = stack.submit(articles(30, deltas=40, per_second=40))
    poison = ids[7]
    for crash in range(3):
        proof = stack.directory / f"proof-{crash}"
        worker = stack.start_worker(**_crash("delta", proof, job=poison, delta="3"), **QUICK)
        assert worker.wait(60) == -signal.SIGKILL, worker.log
        assert proof.read_text() == poison
    stack.start_worker(**QUICK)
    stack.wait_final(120)
    tally = check(stack, upstream, most_calls=30 + 3 * 30)
    assert tally.statuses == {JobStatus.COMPLETED: 29, JobStatus.FAILED: 1}
    job = stack.job(poison)
    assert (job.status, job.error_code, job.crashes, job.failures) == (JobStatus.FAILED, "worker_lost", 3, 0)


@pytest.mark.parametrize("point", [point for point in POINTS if point != "drain"])
def test_a_worker_killed_at_any_point_costs_no_job_and_no_byte(
    stack: Stack, upstream: ServedSimulator, point: str
) -> None:
    """The named crash points, each with SIGKILL."""
    proof = stack.directory / "proof"
    stack.start_api()
    doomed = stack.start_worker(**_crash(point, proof, delta="15"), **QUICK)
    ids = stack.submit(articles(6, deltas=60, per_second=40))
    watchers = stack.watch(ids)
    assert doomed.wait(60) == -signal.SIGKILL, doomed.log
    assert proof.read_text() in ids
    stack.start_worker(**QUICK)
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers, most_calls=12)
    assert tally.statuses == {JobStatus.COMPLETED: 6}
    if point == "checkpoint":
        lost = read_attempts(stack.database, proof.read_text())[0]
        assert lost.usage is not None, "the checkpoint was made, and nobody counted it"
        assert (lost.usage.output_tokens or 0) > 0 < (lost.usage.input_tokens or 0)
        assert (lost.bytes or 0) > (lost.deltas or 0) > 0
    if point == "done":
        assert stack.job(proof.read_text()).attempt == 1, "what was committed was written again"


def test_a_text_that_goes_on_after_a_kill_shows_no_break(stack: Stack, upstream: ServedSimulator) -> None:
    """With `on_interrupt: continue`: no reset, and the next attempt goes on from all that any watcher was shown."""
    proof = stack.directory / "proof"
    settings = {**QUICK, "LONGHAND_UPSTREAM_PREFIX": "assistant"}
    stack.start_api()
    doomed = stack.start_worker(**_crash("delta", proof, delta="60"), **settings)
    pieces = [f"{number} bottles 🍶 of rice wine; " for number in range(100, 0, -1)]
    orders = {"deltas": pieces, "deltas_per_second": 40}
    # Without `max_tokens`: the second request would be allowed only the rest of them.
    wanted = [{"model": "m", "messages": one["messages"], "simulate": orders}
              for one in articles(4, deltas=0, per_second=0)]  # fmt: skip
    ids = stack.submit(wanted, on_interrupt="continue")
    watchers = stack.watch(ids)
    assert doomed.wait(60) == -signal.SIGKILL, doomed.log
    shown = {watcher.job_id: len(watcher.text) for watcher in watchers}
    stack.start_worker(**settings)
    stack.wait_final(120)
    tally = check(stack, upstream, watchers=watchers, most_calls=8)
    assert (tally.statuses, tally.lost, tally.resets) == ({JobStatus.COMPLETED: 4}, 4, 0)
    for job_id in ids:
        second = read_attempts(stack.database, job_id)[1]
        assert second.continued_bytes is not None
        assert second.continued_bytes >= shown[job_id] > 0


def test_rescue_goes_on_when_any_one_process_is_killed(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 12: three workers, each killed in turn while it runs jobs; the others find them within 15 s."""
    stack.start_api()
    workers: list[Process] = [stack.start_worker(LONGHAND_STREAMS="8", **QUICK) for _ in range(3)]
    calls = 0
    for turn, victim in enumerate(workers):
        stack.submit(articles(24, deltas=200, per_second=40, first=100 * turn))
        calls += 24
        upstream.wait_until(lambda seen: seen["running"] >= 20)
        victim.kill()
        killed_at = time.monotonic()
        stack.wait_rescued(victim, 15)
        print(f"rescued {time.monotonic() - killed_at:.1f} s after the kill")
        stack.start_worker(LONGHAND_STREAMS="8", **QUICK)
        stack.wait_final(120)
    tally = check(stack, upstream, most_calls=calls + 3 * 8)
    assert tally.statuses == {JobStatus.COMPLETED: 72}
    assert 3 <= tally.lost <= 24


def test_a_long_job_is_asked_for_once(stack: Stack, upstream: ServedSimulator) -> None:
    """Fault 1. With a visibility timeout of 1 s and jobs of 12 s (the ratio of 5 s and 60 s), and with leases of 3 s,
    nothing is delivered again: hints are acknowledged when they come, and leases are renewed.
    """
    stack.start_api()
    stack.start_worker(CHAOS_VISIBILITY_SECONDS="1", **QUICK)
    stack.submit(articles(50, deltas=240, per_second=20))
    stack.wait_final(120)
    tally = check(stack, upstream)
    assert (tally.calls, tally.attempts) == (50, 50)
    assert upstream.stats()["peak_running"] == 50


def _kill_for_no_third_time(stack: Stack, victim: Process) -> None:
    """SIGKILL, at a moment when this worker runs no job under which two others have died: a job that has met three
    kills by chance rightly ends as a poison job does, and that is another test's subject.
    """
    doomed = select(func.count()).where(
        jobs.c.status == JobStatus.IN_PROGRESS, jobs.c.crashes >= 2, jobs.c.worker.contains(f":{victim.pid}:")
    )
    while True:
        victim.send(signal.SIGSTOP)  # or it would claim one between the look and the kill
        with stack.database.read() as connection:
            if not connection.scalar(doomed):
                victim.kill()
                return
        victim.send(signal.SIGCONT)
        time.sleep(POLL_SECONDS)


def _crash(point: str, proof: Path, *, number: str = "SIGKILL", job: str = "", delta: str = "3") -> dict[str, str]:
    return {
        "CHAOS_POINT": point,
        "CHAOS_PROOF": str(proof),
        "CHAOS_SIGNAL": number,
        "CHAOS_JOB": job,
        "CHAOS_DELTA": delta,
    }

"""What must hold at the end of every test, whatever has died on the way."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import select

from jobs.lifecycle.lost import list_lost_texts
from jobs.model.records import Attempt, Job
from jobs.model.status import FINAL, JobStatus
from jobs.store.job_requests import job_columns
from jobs.store.queries import read_batch
from jobs.tables import attempts, jobs, texts
from longhand.simulator import ServedSimulator
from longhand.simulator.deltas import deltas_of, thought_of
from longhand.simulator.orders import ChatRequest, messages_hash
from tests.chaos.processes import PATIENCE_SECONDS, wait_until
from tests.chaos.stack import Stack
from tests.chaos.watching import Watcher

_ENGLISH = "Write an article of 5000 words about rivers, number {}, and the towns on their banks."
_NONE = ("", "")
_NOT_WRITTEN = "the stored text is not what the upstream wrote"
_CHINESE = "请写一篇5000字的文章，题目是河流与城市，第{}号。"


def article(number: int, *, deltas: int, per_second: float, **more: Any) -> dict[str, Any]:
    """A request for a text of so many deltas at this pace; no two numbers give the same text."""
    prompt = (_CHINESE if number % 3 == 0 else _ENGLISH).format(number)
    return {
        "model": "simulator",
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": deltas,
        "simulate": {"deltas_per_second": per_second, "first_delta_seconds": 0.05},
        **more,
    }


def articles(count: int, *, deltas: int, per_second: float, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    """So many of them."""
    return [article(first + place, deltas=deltas, per_second=per_second, **more) for place in range(count)]


def text_of(request: Mapping[str, Any]) -> str:
    """What the simulator writes for a request, the same every time; what cannot be stored is replaced."""
    wanted = msgspec.convert(dict(request), ChatRequest)
    assert wanted.simulate is not None
    deltas = deltas_of(wanted, wanted.simulate, messages_hash(request["messages"]))
    joined = "".join(islice(deltas, wanted.max_deltas))
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "\ufffd")


def reasoning_of(request: Mapping[str, Any]) -> str:
    """What the simulator thinks before it writes."""
    return "".join(map(thought_of, range(request.get("simulate", {}).get("reasoning", 0))))


@dataclass(frozen=True, slots=True)
class Tally:
    """What a run came to."""

    statuses: Counter[JobStatus]
    attempts: int
    calls: int
    lost: int
    released: int
    failed: int
    resets: int
    reconnects: int


def check(
    stack: Stack,
    upstream: ServedSimulator,
    *,
    watchers: Sequence[Watcher] = (),
    most_calls: int | None = None,
    watch_seconds: float = PATIENCE_SECONDS,
    most_unequal: int = 0,
) -> Tally:
    """Check every job in the database, and that each watcher has exactly what is stored.

    `most_unequal` is how many texts may differ from what was written in one go. `most_calls` is how often the upstream
    may have been called: jobs plus injected faults. By default each job once.
    """
    for watcher in watchers:
        watcher.wait_done(watch_seconds)
    if any(process.alive and process.name.startswith("worker") for process in stack.processes):
        wait_until(lambda: not list_lost_texts(stack.database), watch_seconds, "every lost attempt is counted")
    found, stored, runs = _read(stack)
    calls = upstream.stats()["requests"]
    wrongs = [
        *(wrong for job in found for wrong in _wrongs_of(job, *stored.get(job.id, _NONE), runs[job.id])),
        *_wrong_batches(stack, found),
        *(wrong for watcher in watchers for wrong in _wrongs_watched(watcher, stored)),
    ]
    most_calls = len(found) if most_calls is None else most_calls
    if calls > most_calls:
        wrongs.append(f"the upstream was called {calls} times, at most {most_calls} are explained")
    unequal = [wrong for wrong in wrongs if wrong.endswith(_NOT_WRITTEN)]
    if len(unequal) <= most_unequal:
        wrongs = [wrong for wrong in wrongs if wrong not in unequal]
    assert not wrongs, f"{len(wrongs)} wrongs:\n" + "\n".join(wrongs[:20])
    return Tally(
        statuses=Counter(job.status for job in found),
        attempts=sum(job.attempt for job in found),
        calls=calls,
        lost=sum(job.crashes for job in found),
        released=sum(job.drains for job in found),
        failed=sum(job.failures for job in found),
        resets=sum(watcher.resets for watcher in watchers),
        reconnects=sum(watcher.reconnects for watcher in watchers),
    )


def _read(stack: Stack) -> tuple[list[Job], dict[str, tuple[str, str]], dict[str, list[Attempt]]]:
    runs: dict[str, list[Attempt]] = {}
    with stack.database.read() as connection:
        found = [Job.from_row(row) for row in connection.execute(select(*job_columns()).order_by(jobs.c.id)).mappings()]
        rows = connection.execute(select(texts.c.job_id, texts.c.text, texts.c.reasoning)).all()
        for row in connection.execute(select(attempts).order_by(attempts.c.attempt)).mappings():
            runs.setdefault(row["job_id"], []).append(Attempt.from_row(row))
    stored = {row.job_id: (row.text, row.reasoning) for row in rows}
    assert len(stored) == len(rows), "a job has two texts"
    return found, stored, {job.id: runs.get(job.id, []) for job in found}


def _wrongs_of(job: Job, text: str, reasoning: str, runs: list[Attempt]) -> Iterable[str]:
    if job.status not in FINAL:
        yield f"{job.id} has not ended: {job.status}, attempt {job.attempt}"
        return
    yield from _wrong_texts(job, text, reasoning, runs)
    if [run.attempt for run in runs] != list(range(1, job.attempt + 1)):
        yield f"{job.id}: attempt {job.attempt}, but the attempts are {[run.attempt for run in runs]}"
    if uncounted := [run.attempt for run in runs if _is_uncounted(run)]:
        yield f"{job.id}: nobody knows what its lost attempts {uncounted} cost"
    if any(run.outcome is None for run in runs):
        yield f"{job.id}: an attempt has no outcome"
    if sum(run.outcome == "completed" for run in runs) != (job.status is JobStatus.COMPLETED):
        yield f"{job.id} is {job.status}, its attempts are {[str(run.outcome) for run in runs]}"
    outcomes = Counter(str(run.outcome) for run in runs)
    charged = {"lost": job.crashes, "failed": job.failures, "released": job.drains, "rate_limited": job.rate_limits}
    for outcome, counted in charged.items():
        if outcomes[outcome] != counted:
            yield f"{job.id}: {counted} counted as {outcome}, {outcomes[outcome]} attempts were"


def _wrong_texts(job: Job, text: str, reasoning: str, runs: list[Attempt]) -> Iterable[str]:
    encoded, thought = text.encode(), reasoning.encode()
    if job.bytes != len(encoded) or job.sha256 != sha256(encoded).hexdigest():
        yield f"{job.id}: its row does not describe the {len(encoded)} bytes that are stored"
    if thought and (job.reasoning_bytes != len(thought) or job.reasoning_sha256 != sha256(thought).hexdigest()):
        yield f"{job.id}: its row does not describe the {len(thought)} bytes of reasoning that are stored"
    if job.status is JobStatus.COMPLETED and reasoning != reasoning_of(job.request or {}):
        yield f"{job.id}: the stored reasoning is not what the upstream wrote"
    if job.status is JobStatus.COMPLETED and not _is_as_written(job, encoded, runs):
        yield f"{job.id}: {_NOT_WRITTEN}"


def _is_uncounted(run: Attempt) -> bool:
    return run.outcome == "lost" and (run.bytes or 0) > (run.continued_bytes or 0) and run.usage is None


def _is_as_written(job: Job, stored: bytes, runs: list[Attempt]) -> bool:
    """Whether the text is what the upstream writes in one go. It goes on with a text where it is asked to."""
    request = job.request or {}
    went_on = max((run.continued_bytes or 0 for run in runs), default=0)
    if job.max_continuations is not None or not went_on:
        return stored == text_of(request).encode()
    # How many tokens were left is counted in other ways here and there, so nobody can say where such a text ends.
    whole = text_of({**request, "max_tokens": None}).encode()
    return stored == whole[: len(stored)] and len(stored) >= went_on


def _wrong_batches(stack: Stack, found: list[Job]) -> Iterable[str]:
    for batch_id in {job.batch_id for job in found if job.batch_id is not None}:
        batch = read_batch(stack.database, batch_id, project=None)
        own = Counter(job.status for job in found if job.batch_id == batch_id)
        if batch is None:
            yield f"{batch_id} is gone"
            continue
        completed = own[JobStatus.COMPLETED]
        counts = (sum(own.values()), completed, sum(own.values()) - completed)
        if (batch.total, batch.completed, batch.failed) != counts:
            yield f"{batch_id} says {batch.total}, {batch.completed}, {batch.failed}; its jobs say {counts}"


def _wrongs_watched(watcher: Watcher, stored: Mapping[str, tuple[str, str]]) -> Iterable[str]:
    for wrong in watcher.wrongs:
        yield f"the watcher of {watcher.job_id}: {wrong}"
    text, reasoning = stored.get(watcher.job_id, _NONE)
    if watcher.text != text.encode():
        yield f"the watcher of {watcher.job_id} has not the stored text"
    if watcher.reasoning != reasoning.encode():
        yield f"the watcher of {watcher.job_id} has not the stored reasoning"

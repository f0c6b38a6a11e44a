"""A job with `on_interrupt: continue`: the text goes on where it stopped, and what was paid for is not paid twice."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis as redis_py

from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import rescue_lost
from jobs.live.channel import Message, tail_key
from jobs.live.follower import Follower, Gap, ResetMessage, Text
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.tokens import Tokenizers
from tests.sparing import on_sqlite
from tests.store.reserving import claim_now
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, Cut, Script, ScriptedUpstream, chunked, text
from tests.worker.ear import Ear, listening
from tests.worker.worker_fixtures import (
    MODEL,
    WorkerParts,
    expire_lease,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
)
from worker.continuation import continue_request

FIRST, REST = ["One ", "two – ", "three 🙂"], [" and four", ", five."]
WRITTEN, WHOLE = "".join(FIRST), "".join([*FIRST, *REST])
CUT: Script = [*chunked(ROLE, *map(text, FIRST))[:-1], Cut()]
GOES_ON: Script = chunked(ROLE, *map(text, REST), FINISH, DONE)
ANEW: Script = chunked(ROLE, *map(text, [*FIRST, *REST]), FINISH, DONE)
FORMS: dict[str, dict[str, Any]] = {
    "assistant": {},
    "prefix": {"prefix": True},
    "continue_final_message": {},
}


@contextmanager
def worker_on(
    database: Database, redis_url: str, upstream: ScriptedUpstream, form: str = "assistant"
) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, upstream.url, upstream_prefix=form)) as worker:
        yield worker


class Watcher:
    """What a page that follows the channel shows."""

    def __init__(self) -> None:
        self.follower = Follower()
        self.shown = ""
        self.resets = 0

    def hear(self, message: Message) -> None:
        for step in self.follower.follow(message):
            assert not isinstance(step, Gap)
            if isinstance(step, ResetMessage):
                self.resets += 1
                self.shown = ""
            elif isinstance(step, Text):
                self.shown += step.text


def run_twice(worker: WorkerParts, ear: Ear, job_id: str) -> Watcher:
    """Run a job whose first attempt is interrupted, until it has ended, and watch it."""
    worker.hint([job_id])
    worker.dispatch.start()
    watcher = Watcher()
    for message in ear.wait_for_event("done"):
        watcher.hear(message)
    return watcher


@on_sqlite
@pytest.mark.parametrize("form", FORMS)
def test_an_interrupted_text_goes_on_in_the_form_that_the_upstream_takes(
    database: Database, redis_url: str, form: str
) -> None:
    job_id = submit(database, on_interrupt="continue", fields={"max_tokens": 400, "temperature": 0.5})
    with ScriptedUpstream(CUT, GOES_ON) as upstream:
        with worker_on(database, redis_url, upstream, form) as worker, listening(redis_url, job_id) as ear:
            watcher = run_twice(worker, ear, job_id)
        first, second = (exchange.body for exchange in upstream.exchanges)
        assert upstream.exchanges[0].fired == ["Cut"]
    assert (watcher.shown, watcher.resets) == (WHOLE, 0)
    job, stored = job_and_text(database, job_id)
    assert (job.status, stored) == (JobStatus.COMPLETED, WHOLE)
    before, after = history(database, job_id)
    assert (before.outcome, before.continued_bytes) == (AttemptOutcome.FAILED, 0)
    assert (after.outcome, after.continued_bytes) == (AttemptOutcome.COMPLETED, len(WRITTEN.encode()))
    assert (before.deltas, after.deltas) == (len(FIRST), len(REST))
    assert second["messages"] == [*first["messages"], {"role": "assistant", "content": WRITTEN, **FORMS[form]}]
    vllm = {"continue_final_message": True, "add_generation_prompt": False}
    changed = {name: value for name, value in second.items() if first.get(name) != value and name != "messages"}
    left = 400 - Tokenizers(None).count_text(MODEL, WRITTEN).tokens
    assert changed == {"max_tokens": left} | (vllm if form == "continue_final_message" else {})


def test_each_attempt_is_charged_only_what_it_wrote(sqlite_database: Database, redis_url: str) -> None:
    job_id = submit(sqlite_database, on_interrupt="continue")
    with (
        ScriptedUpstream(CUT, [*CUT[:1], Cut()], GOES_ON) as upstream,
        worker_on(sqlite_database, redis_url, upstream) as worker,
        listening(redis_url, job_id) as ear,
    ):
        assert run_twice(worker, ear, job_id).shown == WHOLE
    first, nothing, last = (attempt.usage for attempt in history(sqlite_database, job_id))
    assert nothing is None  # no delta came: what it cost is unknown
    assert first is not None
    assert last is not None
    written = Tokenizers(None).count_text(MODEL, WRITTEN).tokens
    whole = Tokenizers(None).count_text(MODEL, WHOLE).tokens
    assert (first.output_tokens, last.output_tokens) == (written, whole - written)
    # What was written before is part of the prompt now.
    assert last.input_tokens == (first.input_tokens or 0) + written
    assert job_and_text(sqlite_database, job_id)[0].text_tokens == whole


def test_an_upstream_that_takes_no_text_to_go_on_with_writes_it_anew(sqlite_database: Database, redis_url: str) -> None:
    job_id = submit(sqlite_database, on_interrupt="continue")
    with ScriptedUpstream(CUT, ANEW) as upstream:
        with worker_on(sqlite_database, redis_url, upstream, "none") as worker, listening(redis_url, job_id) as ear:
            watcher = run_twice(worker, ear, job_id)
        assert upstream.exchanges[0].body == upstream.exchanges[1].body
    assert (watcher.shown, watcher.resets) == (WHOLE, 1)
    assert job_and_text(sqlite_database, job_id)[1] == WHOLE
    assert [attempt.continued_bytes for attempt in history(sqlite_database, job_id)] == [0, 0]


def test_a_job_that_restarts_writes_anew_whatever_the_upstream_takes(sqlite_database: Database, redis_url: str) -> None:
    job_id = submit(sqlite_database, on_interrupt="restart")
    with ScriptedUpstream(CUT, ANEW) as upstream:
        with worker_on(sqlite_database, redis_url, upstream) as worker, listening(redis_url, job_id) as ear:
            watcher = run_twice(worker, ear, job_id)
        assert upstream.exchanges[0].body == upstream.exchanges[1].body
    assert (watcher.shown, watcher.resets) == (WHOLE, 1)


def test_a_whole_text_that_goes_on_with_nothing_is_complete(sqlite_database: Database, redis_url: str) -> None:
    job_id = submit(sqlite_database, on_interrupt="continue")
    with (
        ScriptedUpstream(CUT, chunked(ROLE, FINISH, DONE)) as upstream,
        worker_on(sqlite_database, redis_url, upstream) as worker,
        listening(redis_url, job_id) as ear,
    ):
        watcher = run_twice(worker, ear, job_id)
    job, stored = job_and_text(sqlite_database, job_id)
    assert (job.status, job.finish_reason, stored) == (JobStatus.COMPLETED, "stop", WRITTEN)
    assert (watcher.shown, watcher.resets) == (WRITTEN, 0)


@pytest.mark.parametrize(
    ("checkpoint", "tail", "goes_on_from"),
    [
        ("One ", "One two – ", "One two – "),
        ("One two – ", "One ", "One two – "),
        ("One ", None, "One "),
        (None, None, ""),
    ],
)
def test_after_a_crash_the_longer_of_tail_and_checkpoint_goes_on(
    sqlite_database: Database,
    redis_url: str,
    valkey_client: redis_py.Redis,
    checkpoint: str | None,
    tail: str | None,
    goes_on_from: str,
) -> None:
    job_id = submit(sqlite_database, on_interrupt="continue")
    assert claim_now(sqlite_database, job_id, "w0", 60) is not None
    assert renew(sqlite_database, "w0", [Checkpoint(job_id, 1, checkpoint)], 60)
    if tail is not None:
        valkey_client.set(tail_key(job_id, 1), tail)
    expire_lease(sqlite_database, job_id)
    assert rescue_lost(sqlite_database)
    with ScriptedUpstream(GOES_ON) as upstream:
        with worker_on(sqlite_database, redis_url, upstream) as worker:
            worker.run(job_id)
        sent = upstream.last.body["messages"]
    assert [message["content"] for message in sent if message["role"] == "assistant"] == [goes_on_from][
        : bool(goes_on_from)
    ]
    job, stored = job_and_text(sqlite_database, job_id)
    assert (job.status, stored, job.crashes) == (JobStatus.COMPLETED, goes_on_from + "".join(REST), 1)
    assert history(sqlite_database, job_id)[1].continued_bytes == len(goes_on_from.encode())


def test_no_tokenizer_is_loaded_on_the_loop_that_all_streams_share(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted_in: list[str] = []
    count: Callable[..., Any] = Tokenizers.count_text

    def spy(self: Tokenizers, model: str, counted: str) -> Any:
        counted_in.append(threading.current_thread().name)
        return count(self, model, counted)

    monkeypatch.setattr(Tokenizers, "count_text", spy)
    job_id = submit(sqlite_database, on_interrupt="continue")
    with (
        ScriptedUpstream(CUT, GOES_ON) as upstream,
        worker_on(sqlite_database, redis_url, upstream) as worker,
        listening(redis_url, job_id) as ear,
    ):
        run_twice(worker, ear, job_id)
    assert counted_in
    assert "streams" not in counted_in


def test_every_limit_on_tokens_counts_for_the_whole_text() -> None:
    body: dict[str, Any] = {"messages": [], "max_tokens": 100, "max_completion_tokens": 7}
    went_on = continue_request(body, "text", 30, "assistant")
    assert (went_on["max_tokens"], went_on["max_completion_tokens"]) == (70, 1)
    assert body["max_tokens"] == 100
    assert "max_tokens" not in continue_request({"messages": []}, "text", 30, "assistant")

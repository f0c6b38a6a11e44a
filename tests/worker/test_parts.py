"""A job with `on_length: continue`: at the token limit its rest is asked for, and the text goes on without a seam."""

from typing import Any

import pytest
import redis as redis_py

from jobs.lifecycle.rescue import cancel_job
from jobs.live.channel import tail_key
from jobs.model.records import Usage
from jobs.model.segments import load_segments, sum_usage
from jobs.model.status import DOUBTFUL_SEAM, AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.tables import USAGE
from longhand.simulator import Pace, serve_in_thread
from longhand.simulator.orders import messages_hash
from longhand.simulator.prose import write_deltas
from longhand.simulator.provider import Provider
from tests.upstream.scripted_upstream import ROLE, Cut, ScriptedUpstream, chunk, chunked, text
from tests.worker.ear import listening
from tests.worker.parts import AT_LIMIT, DECLINED, NO_PREFIX, TOO_LONG, WHOLE, part, refused, worker_on
from tests.worker.test_continuation import Watcher, run_twice
from tests.worker.worker_fixtures import MODEL, ask, history, job_and_text, submit, wait_until

JSON_FORMAT = {"response_format": {"type": "json_object"}}

WITH_LIMIT: dict[str, Any] = {"max_continuations": 8, "fields": {"max_tokens": 10}}


@pytest.mark.parametrize("form", ["assistant", "none"])
def test_a_text_goes_on_at_the_limit_until_the_model_ends_it(database: Database, redis_url: str, form: str) -> None:
    job_id = submit(database, max_continuations=8)
    parts = [part("One ", "two"), part(" three", " four", prompt=12), part(" five.", end=WHOLE, prompt=14)]
    with ScriptedUpstream(*parts) as upstream:
        with worker_on(database, redis_url, upstream.url, form) as worker, listening(redis_url, job_id) as ear:
            watcher = run_twice(worker, ear, job_id)
        bodies = [exchange.body for exchange in upstream.exchanges]
    job, stored = job_and_text(database, job_id)
    assert stored == watcher.shown == "One two three four five."
    assert (watcher.resets, job.status, job.incomplete, job.finish_reason) == (0, JobStatus.COMPLETED, None, "stop")
    assert job.usage is not None
    assert (job.usage.input_tokens, job.usage.output_tokens, job.usage.total_tokens) == (36, 15, 51)
    [attempt] = history(database, job_id)
    segments = load_segments(attempt.segments)
    assert [(one.offset, one.bytes, one.finish_reason) for one in segments] == [
        (0, 7, "length"), (7, 11, "length"), (18, 6, "stop"),
    ]  # fmt: skip
    assert job.failures == 0
    roles = [[message["role"] for message in body["messages"]] for body in bodies]
    assert roles == [["user"], ["user", "assistant"], ["user", "assistant"]] if form == "assistant" else [
        ["user"], ["user", "assistant", "user"], ["user", "assistant", "user"],
    ]  # fmt: skip
    assert [body["messages"][1]["content"] for body in bodies[1:]] == ["One two", "One two three four"]


def test_without_on_length_a_text_ends_at_the_limit(sqlite_database: Database, redis_url: str) -> None:
    job_id = submit(sqlite_database)
    with ScriptedUpstream(part("One")) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        worker.run(job_id)
        assert len(upstream.exchanges) == 1
    job, stored = job_and_text(sqlite_database, job_id)
    assert (stored, job.incomplete) == ("One", "max_output_tokens")
    assert history(sqlite_database, job_id)[0].segments is None


@pytest.mark.parametrize(
    ("options", "answers", "calls", "written", "incomplete"),
    [
        ({"max_continuations": 2}, [part("a"), part(" b"), part(" c")], 3, "a b c", "max_output_tokens"),
        # The request's own limit is for the whole text: 5 tokens a part.
        (WITH_LIMIT, [part("a"), part(" b")], 2, "a b", "max_output_tokens"),
        ({"max_continuations": 8}, [part("a"), part()], 2, "a", "max_output_tokens"),
        ({"max_continuations": 8}, [part("a."), part(end=WHOLE)], 2, "a.", None),
        ({"max_continuations": 8}, [part("a"), TOO_LONG], 2, "a", "context_window"),
        ({"max_continuations": 8}, [part("a"), NO_PREFIX], 2, "a", "max_output_tokens"),
        ({"max_continuations": 8}, [part("a."), DECLINED], 2, "a.", "max_output_tokens"),
    ],
    ids=[
        "as often as allowed", "the whole limit", "nothing new", "it was whole", "the context is full", "refused",
        "the model declines",
    ],
)  # fmt: skip
def test_a_text_that_cannot_go_on_is_kept_and_says_why(
    sqlite_database: Database,
    redis_url: str,
    options: dict[str, Any],
    answers: list[list[bytes]],
    calls: int,
    written: str,
    incomplete: str | None,
) -> None:
    job_id = submit(sqlite_database, **options)
    with ScriptedUpstream(*answers) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        worker.run(job_id)
        assert len(upstream.exchanges) == calls
        limits = [exchange.body.get("max_tokens") for exchange in upstream.exchanges]
    job, stored = job_and_text(sqlite_database, job_id)
    assert (job.status, stored, job.incomplete) == (JobStatus.COMPLETED, written, incomplete)
    assert (job.attempt, job.failures) == (1, 0)
    assert job.usage is not None
    paid = sum(1 for answer in answers[:calls] if len(answer) > 1)
    assert job.usage.output_tokens == 5 * paid
    if options.get("fields"):
        assert limits == [10, 5]


@pytest.mark.parametrize("reason", ["stop", "content_filter"])
def test_a_last_part_without_a_token_costs_its_input_alone(
    sqlite_database: Database, redis_url: str, reason: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    answers = [part("Tea"), part(end=chunk({}, reason), prompt=12, completion=0)]
    with ScriptedUpstream(*answers) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
        worker.run(job_id)
        assert len(upstream.exchanges) == 2
    usage = job_and_text(sqlite_database, job_id)[0].usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (22, 5, 27)


def test_an_answer_in_a_new_message_is_joined_without_what_it_repeats(
    sqlite_database: Database, redis_url: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    answers = [
        part("Tea is a drink ", "made from"),
        part("Sure, here is the rest:\n\n", "a drink made from leaves. It is", end=AT_LIMIT),
        part("It is old.", end=WHOLE),
    ]
    with (
        ScriptedUpstream(*answers) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none") as worker,
        listening(redis_url, job_id) as ear,
    ):
        watcher = run_twice(worker, ear, job_id)
    assert job_and_text(sqlite_database, job_id)[1] == watcher.shown == "Tea is a drink made from leaves. It is old."
    segments = load_segments(history(sqlite_database, job_id)[0].segments)
    assert [one.cut for one in segments] == ["", "Sure, here is the rest:\n\na drink made from", "It is"]


@pytest.mark.parametrize("form", ["assistant", "none"])
@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (refused(429, "slow down", "rate_limit_exceeded"), AttemptOutcome.RATE_LIMITED),
        (refused(500, "broken"), AttemptOutcome.FAILED),
        ([*chunked(ROLE, text(" three "), text("fo"))[:-1], Cut()], AttemptOutcome.FAILED),
    ],
    ids=["429", "500", "cut"],
)
def test_a_failure_in_a_later_part_goes_on_there(
    sqlite_database: Database, redis_url: str, form: str, failure: Any, outcome: AttemptOutcome
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    cut = outcome is AttemptOutcome.FAILED and form == "assistant" and isinstance(failure[-1], Cut)
    rest = part("ur five.", end=WHOLE) if cut else part(" three four five.", end=WHOLE)
    with ScriptedUpstream(part("One two"), failure, rest) as upstream:
        with worker_on(sqlite_database, redis_url, upstream.url, form) as worker, listening(redis_url, job_id) as ear:
            watcher = run_twice(worker, ear, job_id)
        assert len(upstream.exchanges) == 3
    job, stored = job_and_text(sqlite_database, job_id)
    assert stored == watcher.shown == "One two three four five."
    assert (watcher.resets, job.status, job.attempt) == (0, JobStatus.COMPLETED, 2)
    first, second = history(sqlite_database, job_id)
    assert first.outcome == outcome
    if not (isinstance(failure, list | tuple) and isinstance(failure[-1], Cut)):  # it brought nothing
        assert first.usage is not None
        assert (first.usage.input_tokens, first.usage.output_tokens) == (10, 5)
    assert second.continued_bytes == len("One two three fo") if cut else len("One two")
    segments = load_segments(second.segments)
    assert segments[0].attempt == 1
    assert segments[-1].end == len(stored)
    assert second.usage is not None
    assert second.usage.output_tokens == 5


def test_json_goes_on_in_the_prefix_form_only(sqlite_database: Database, redis_url: str) -> None:
    answers = [part('{"a": '), part("1}", end=WHOLE)]
    for form, calls, incomplete in (("assistant", 2, None), ("none", 1, "max_output_tokens")):
        job_id = submit(sqlite_database, max_continuations=8, fields=JSON_FORMAT)
        with ScriptedUpstream(*answers) as upstream:
            with worker_on(sqlite_database, redis_url, upstream.url, form) as worker:
                worker.run(job_id)
            assert len(upstream.exchanges) == calls
        assert job_and_text(sqlite_database, job_id)[0].incomplete == incomplete


def test_a_cancel_in_a_later_part_ends_it_there(
    sqlite_database: Database, redis_url: str, valkey_client: redis_py.Redis
) -> None:
    provider = Provider(max_output_tokens=20)
    with (
        serve_in_thread(Pace(deltas_per_second=200, first_delta_seconds=0), provider) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, heartbeat_seconds=0.2) as worker,
    ):
        job_id = submit(sqlite_database, {"length": 100_000}, max_continuations=100)
        worker.heartbeat.start()
        running = worker.start(job_id)
        wait_until(
            lambda: bool(history(sqlite_database, job_id) and history(sqlite_database, job_id)[0].segments), "a part"
        )
        cancel_job(sqlite_database, job_id)
        running.result(60)
    job, stored = job_and_text(sqlite_database, job_id)
    assert job.status == JobStatus.CANCELLED
    [attempt] = history(sqlite_database, job_id)
    assert attempt.outcome == AttemptOutcome.CANCELLED
    assert load_segments(attempt.segments)[-1].end == job.bytes
    assert stored == "" or len(stored.encode()) == job.bytes
    assert valkey_client.get(tail_key(job_id, 1)) is not None


@pytest.mark.parametrize(("form", "sloppy"), [("assistant", False), ("none", False), ("none", True)])
@pytest.mark.parametrize("prompt", ["Write a 900-word article about tea.", "写一篇 900 字的文章，介绍中国茶文化。"])
def test_the_simulator_goes_on_with_what_it_would_have_written(
    sqlite_database: Database, redis_url: str, form: str, sloppy: bool, prompt: str
) -> None:
    provider = Provider(max_output_tokens=150, sloppy_continuations=sloppy)
    messages = ask(prompt=prompt)["messages"]
    whole = "".join(write_deltas(prompt, messages_hash(messages)))
    with (
        serve_in_thread(Pace(deltas_per_second=0, first_delta_seconds=0), provider) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, form) as worker,
    ):
        job_id = submit(sqlite_database, max_continuations=50, fields={"messages": messages, "model": MODEL})
        watcher = Watcher()
        with listening(redis_url, job_id) as ear:
            worker.run(job_id)
            for message in ear.wait_for_event("done"):
                watcher.hear(message)
    job, stored = job_and_text(sqlite_database, job_id)
    assert job.status == JobStatus.COMPLETED
    assert job.incomplete is None or (sloppy and job.incomplete == DOUBTFUL_SEAM)
    assert watcher.shown == stored == whole
    assert len(load_segments(history(sqlite_database, job_id)[0].segments)) >= 5


def test_what_many_parts_cost_together_fits_its_column() -> None:
    most = 10**9
    part = Usage(**dict.fromkeys(USAGE, most), source="upstream")
    together = sum_usage([part] * 3)
    assert together is not None
    assert together.total_tokens == 2**31 - 1

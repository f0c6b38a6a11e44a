"""Structured output: a text that is not what `response_format` asks for is no success, and no schema stops a worker."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from jobs.acceptance.answer_format import FormatError, find_mismatch
from jobs.model.status import JobStatus
from jobs.store.database import Database
from longhand.simulator import ServedSimulator
from tests.worker.worker_fixtures import (
    WorkerParts,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
    wait_until,
)
from worker.answer_check import AnswerCheck, SchemaMismatch, SchemaNotChecked

ARTICLE = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 20},
        "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z]+$"}},
        "written": {"type": "string", "format": "date"},
    },
    "required": ["title"],
    "additionalProperties": False,
}


def asking(schema: Any) -> dict[str, Any]:
    """A request for a text that fits this schema."""
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "article", "schema": schema}}}


def multiplied(levels: int) -> dict[str, Any]:
    """A small schema with which a wrong text is tried in 2 to this power ways."""
    defs = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**defs, f"a{levels}": {"type": "string"}}}


@contextmanager
def one_check() -> Iterator[AnswerCheck]:
    made = AnswerCheck(cpu_seconds=1.0)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def check() -> Iterator[AnswerCheck]:
    """With a process of its own, that is ended with the test."""
    with one_check() as made:
        yield made


@pytest.fixture(scope="module")
def shared_check() -> Iterator[AnswerCheck]:
    """With a process that the tests of this file share: one that is asked anew has all its time again."""
    with one_check() as made:
        yield made


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"title": "Rain", "tags": ["wet"], "written": "2026-11-28"}', None),
        (' {"title": "Rain"}\n', None),
        ('{"title": "Rain", "tags": ["wet", "Cold"]}', '$.tags[1]: "Cold" does not match "^[a-z]+$"'),
        ('{"tags": []}', '$: "title" is a required property'),
        ('{"title": "Rain", "x": 1}', "$: Additional properties are not allowed ('x' was unexpected)"),
        ('{"title": "Rain", "written": "yesterday"}', '$.written: "yesterday" is not a "date"'),
        ("Here you are: {}", "the text is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('```json\n{"title": "Rain"}\n```', "the text is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"title": NaN}', "the text is not JSON: NaN is no JSON value"),
        ('{"title": "Ra', "the text is not JSON"),
        ("", "the text is not JSON"),
        ("[" * 100_000, "the text is"),
    ],
)
def test_a_text_is_held_to_its_schema(shared_check: AnswerCheck, text: str, why: str | None) -> None:
    error = shared_check.find_error(asking(ARTICLE), text)
    if why is None:
        assert error is None
    else:
        assert isinstance(error, SchemaMismatch)
        assert error.retryable
        assert error.message.startswith(f"the text is not what response_format asks for: {why}")


@pytest.mark.parametrize(
    ("response_format", "text", "fits"),
    [
        (None, "no JSON", True),
        ({"type": "text"}, "no JSON", True),
        ({"type": "grammar", "grammar": "root ::= 'x'"}, "no JSON", True),
        ({"type": "json_object"}, "[1]", True),
        ({"type": "json_object"}, "no JSON", False),
        ({"type": "json_object", "schema": {"type": "object"}}, "[1]", False),
        ({"type": "json_schema", "schema": {"type": "object"}}, "[1]", False),
        ({"type": "json_schema", "json_schema": {"name": "any"}}, "[1]", True),
        ({"type": "json_schema", "json_schema": {"name": "none", "schema": False}}, "[1]", False),
    ],
)
def test_each_dialect_of_response_format_is_understood(
    shared_check: AnswerCheck, response_format: Any, text: str, fits: bool
) -> None:
    shared_check.format_check.check_format(response_format)
    assert (shared_check.find_error({"response_format": response_format}, text) is None) is fits


@pytest.mark.parametrize(
    ("schema", "path", "reason"),
    [
        ({"type": "objekt"}, "schema.type", '"objekt" is not valid'),
        ({"properties": {"a": {"type": 3}}}, "schema.properties.a.type", "3 is not valid"),
        ({"anyOf": [{}, {"pattern": "(["}]}, "schema.anyOf[1].pattern", "not a "),
        ({"$ref": "#/nowhere"}, "schema", "does not exist"),
        ({"$ref": "http://127.0.0.1:1/schema.json"}, "schema", "Retrieval is disabled"),
        ({"$ref": "file:///etc/passwd"}, "schema", "Retrieval is disabled"),
        ({"$schema": "https://example.com/own", "type": "object"}, "schema", "Unknown meta-schema"),
        ("a text", "schema", "must be an object"),
    ],
)
def test_a_broken_schema_is_named_by_its_place_and_nothing_is_fetched(
    shared_check: AnswerCheck, schema: Any, path: str, reason: str
) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        shared_check.format_check.check_format(asking(schema)["response_format"])
    assert caught.value.path == f"json_schema.{path}"


def test_a_schema_nested_without_end_is_refused_and_one_that_loops_is_harmless(shared_check: AnswerCheck) -> None:
    deep: dict[str, Any] = {}
    inner = deep
    for _ in range(500):
        inner["not"] = inner = {}
    for schema in (deep, json.loads('{"not":' * 900 + "{}" + "}" * 900)):
        with pytest.raises(FormatError):
            shared_check.format_check.check_format(asking(schema)["response_format"])
    shared_check.format_check.check_format(asking({"$ref": "#"})["response_format"])
    assert find_mismatch(json.dumps({"$ref": "#"}), "[1]") is None


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=(a+)+$)", "(a|aa)+$(?!b)", r"^(?:(a+)+)\1$"])
def test_no_pattern_takes_long(shared_check: AnswerCheck, pattern: str) -> None:
    began = time.process_time()
    assert shared_check.find_error(asking({"pattern": pattern}), json.dumps("a" * 5000 + "!")) is not None
    assert time.process_time() - began < 1  # of this process, which waits


def test_a_check_that_takes_too_long_is_ended_and_the_next_one_is_made(check: AnswerCheck) -> None:
    check.format_check.check_format(asking(multiplied(60))["response_format"])
    error = check.find_error(asking(multiplied(60)), "1")
    assert isinstance(error, SchemaNotChecked)
    assert not error.retryable
    assert "within 1 s" in error.message
    assert check.find_error(asking(multiplied(60)), '"a text"') is None
    assert check.find_error(asking(ARTICLE), "{}") is not None


def test_a_schema_that_cannot_be_compiled_in_time_is_refused(check: AnswerCheck) -> None:
    names = [f"a{n}" for n in range(41)]
    choices = pairwise(names)
    defs: dict[str, Any] = {
        name: {"anyOf": [{"$ref": f"#/$defs/{after}"}] * 2, "unevaluatedProperties": False} for name, after in choices
    }
    hostile = {"$ref": "#/$defs/a0", "unevaluatedProperties": False, "$defs": {**defs, "a40": {}}}
    for _ in range(2):  # and it is remembered
        with pytest.raises(FormatError, match="takes more than 1 s or too much memory to read"):
            check.format_check.check_format(asking(hostile)["response_format"])
    check.format_check.check_format(asking(ARTICLE)["response_format"])


def test_a_schema_that_another_thread_forgets_meanwhile_is_read_again(check: AnswerCheck) -> None:
    class Forgetful(dict[str, Any]):
        def __contains__(self, schema: object) -> bool:
            known = super().__contains__(schema)
            self.clear()
            return known

    asked = asking(ARTICLE)["response_format"]
    check.format_check._faults = Forgetful()
    for _ in range(2):
        check.format_check.check_format(asked)


def test_a_checking_process_that_was_killed_is_started_again(check: AnswerCheck) -> None:
    assert check.find_error(asking(ARTICLE), '{"title": "Rain"}') is None
    child = check.format_check._child
    assert child is not None
    child.kill()
    child.wait()
    assert check.find_error(asking(ARTICLE), '{"title": "Rain"}') is None
    assert check.format_check._child is not child


def test_the_checking_process_knows_no_key(check: AnswerCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGHAND_UPSTREAM_API_KEY", "sk-secret")
    assert check.find_error(asking(ARTICLE), '{"title": "Rain"}') is None
    child = check.format_check._child
    assert child is not None
    with open(f"/proc/{child.pid}/environ", "rb") as environ:  # noqa: PTH123
        assert b"LONGHAND" not in environ.read()


@pytest.fixture
def worker(database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, simulator.url)) as parts:
        yield parts


def test_a_mismatch_is_retried_like_a_failure_and_keeps_the_text(worker: WorkerParts) -> None:
    job_id = submit(worker.database, {"text": '{"title": 3}'}, fields=asking(ARTICLE), max_attempts=2)
    worker.hint([job_id])
    worker.dispatch.start()
    wait_until(lambda: job_and_text(worker.database, job_id)[0].is_final, "the end")
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, job.error_code, job.failures, text) == (JobStatus.FAILED, "schema_mismatch", 2, '{"title": 3}')
    assert str(job.error_message).endswith('$.title: 3 is not of type "string"')
    assert [attempt.error_code for attempt in history(worker.database, job_id)] == ["schema_mismatch"] * 2
    assert job.usage is not None


def test_a_text_that_fits_completes(worker: WorkerParts) -> None:
    job_id = submit(worker.database, {"text": '{"title": "Rain"}'}, fields=asking(ARTICLE))
    worker.run(job_id)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text) == (JobStatus.COMPLETED, '{"title": "Rain"}')


def test_a_text_that_was_cut_short_is_incomplete_and_no_mismatch(worker: WorkerParts) -> None:
    job_id = submit(worker.database, {"text": '{"title": "Ra', "finish_reason": "length"}, fields=asking(ARTICLE))
    worker.run(job_id)
    job, _ = job_and_text(worker.database, job_id)
    assert (job.status, job.incomplete) == (JobStatus.COMPLETED, "max_output_tokens")

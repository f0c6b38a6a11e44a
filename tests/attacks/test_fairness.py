"""What one project sends without end, or makes slow, keeps that project waiting and no other."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from inspect import isasyncgenfunction, iscoroutinefunction, ismodule
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from api import main
from api.access.turns import ASKING
from api.endpoints import query, results
from api.exports import jsonl_lines
from api.server import ApiServer
from api.submitting import fields
from jobs.acceptance import format_check
from jobs.acceptance.answer_format import FormatError
from jobs.acceptance.format_check import FormatCheck, count_slow_schemas
from jobs.store.database import Database
from jobs.store.keys import create_key
from jobs.store.search import JobFilter, list_jobs
from tests.api.callers import calling
from tests.api.watching import PATIENCE_SECONDS, wait_until
from tests.conftest import serve_api

JOB = {"model": "m", "messages": [{"role": "user", "content": "Write."}]}
BATCH = {"requests": [{"custom_id": name, "body": JOB} for name in "ab"]}


def format_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def hostile(number: int) -> dict[str, Any]:
    """A schema that cannot be compiled in a lifetime, and none like it was seen before."""
    names = [f"a{n}" for n in range(41)]
    defs: dict[str, Any] = {
        name: {"anyOf": [{"$ref": f"#/$defs/{after}"}] * 2, "unevaluatedProperties": False}
        for name, after in pairwise(names)
    }
    return {"$ref": "#/$defs/a0", "unevaluatedProperties": False, "title": str(number), "$defs": {**defs, "a40": {}}}


@pytest.fixture
def quick_check(monkeypatch: pytest.MonkeyPatch) -> Iterator[FormatCheck]:
    check = FormatCheck(cpu_seconds=0.3)
    monkeypatch.setattr(fields, "_format_check", lambda: check)
    yield check
    check.close()


def chat_format(schema: dict[str, Any]) -> dict[str, Any]:
    return JOB | {"response_format": format_of(schema)}


def text_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "prompt": "Write.", "response_format": format_of(schema)}


def responses_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "input": "Write.", "text": {"format": {"type": "json_schema", "name": "x", "schema": schema}}}


def accepting(schema: dict[str, Any]) -> dict[str, Any]:
    return {"input_file_id": "file_1", "endpoint": "/v1/chat/completions", "accept": {"json_schema": schema}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", chat_format),
        ("/v1/chat/completions", chat_format),
        ("/v1/completions", text_format),
        ("/v1/responses", responses_format),
        ("/v1/batches", accepting),
    ],
)
def test_schemas_that_take_for_ever_do_not_stop_the_jobs_of_others(
    sqlite_api: ApiServer,
    sqlite_database: Database,
    quick_check: FormatCheck,
    path: str,
    body: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Before, 24 requests of one key let no project submit anything for minutes; to some paths, nothing answered."""
    secrets = {name: create_key(sqlite_database, project=name)[1] for name in ("red", "blue")}
    turns = sqlite_api.config.app.state.services.writes  # type: ignore[union-attr]  # FastAPI's
    with calling(sqlite_api, secrets["red"]) as red, calling(sqlite_api, secrets["blue"]) as blue:

        def attack(number: int) -> httpx.Response:
            return red.post(path, json=body(hostile(number)), timeout=120)

        with ThreadPoolExecutor(turns.of_one_project) as attackers:
            attacks = [attackers.submit(attack, number) for number in range(turns.of_one_project)]
            wait_until(lambda: turns.all.borrowed_tokens == turns.of_one_project)  # the fault has fired
            assert blue.post("/v1/jobs", json=JOB).status_code == 202
            checked = blue.post("/v1/jobs", json=JOB | {"response_format": format_of({"type": "object"})})
            assert checked.status_code == 202
            assert not all(one.done() for one in attacks)
            quick_check.stop()  # the rest in line
            assert {one.result().json()["error"]["code"] for one in attacks} == {"invalid_json_schema"}


def test_slow_reads_do_not_stop_the_requests_of_others(
    sqlite_api: ApiServer, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, searches of one project took all threads: a submission of another one waited for 27 s."""
    secrets = {name: create_key(sqlite_database, project=name)[1] for name in ("red", "blue")}
    turns = sqlite_api.config.app.state.services.reads  # type: ignore[union-attr]  # FastAPI's
    going_on = threading.Event()

    def slow_for_red(database: Database, wanted: JobFilter, **more: Any) -> Any:
        assert more["project"] != "red" or going_on.wait(PATIENCE_SECONDS)
        return list_jobs(database, wanted, **more)

    monkeypatch.setattr(query, "list_jobs", slow_for_red)
    with (
        calling(sqlite_api, secrets["red"]) as red,
        calling(sqlite_api, secrets["blue"]) as blue,
        ThreadPoolExecutor(60) as attackers,
    ):
        attacks = [attackers.submit(red.get, "/v1/jobs", timeout=120) for _ in range(60)]
        wait_until(lambda: turns.all.borrowed_tokens == turns.of_one_project)  # the fault has fired
        job = blue.post("/v1/jobs", json=JOB)
        assert job.status_code == 202
        assert blue.get(f"/v1/jobs/{job.json()['id']}").status_code == 200
        assert blue.get("/v1/jobs").status_code == 200
        assert blue.get("/readyz").json()["database"] == "ok"
        assert not any(one.done() for one in attacks)
        going_on.set()
        assert {one.result().status_code for one in attacks} == {200}


def test_downloads_of_one_project_are_made_in_one_thread(
    sqlite_api: ApiServer, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred downloads of short texts had forty threads, and every request of others took seconds."""
    secrets = {name: create_key(sqlite_database, project=name)[1] for name in ("red", "blue")}
    turns = sqlite_api.config.app.state.services.downloads  # type: ignore[union-attr]  # FastAPI's
    going_on = threading.Event()

    def slow_for_red(rows: Iterator[Any]) -> Iterator[bytes]:
        for row in rows:
            assert ASKING.get() != "red" or going_on.wait(PATIENCE_SECONDS)
            yield from jsonl_lines(iter([row]))

    monkeypatch.setattr(results, "jsonl_lines", slow_for_red)
    with (
        calling(sqlite_api, secrets["red"]) as red,
        calling(sqlite_api, secrets["blue"]) as blue,
        ThreadPoolExecutor(20) as attackers,
    ):
        paths = {
            client: f"/v1/batches/{client.post('/v1/batches', json=BATCH).json()['id']}/results"
            for client in (red, blue)
        }
        attacks = [attackers.submit(red.get, paths[red], timeout=120) for _ in range(20)]
        wait_until(lambda: turns.all.borrowed_tokens == 1)  # the fault has fired
        assert len(blue.get(paths[blue]).text.splitlines()) == 2
        assert turns.all.borrowed_tokens == 1
        assert not any(one.done() for one in attacks)
        going_on.set()
        assert {len(one.result().text.splitlines()) for one in attacks} == {2}


def test_the_slow_schemas_of_one_submission_are_given_up_together(
    quick_check: FormatCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of 50,000 of them took one of two places for a day."""
    monkeypatch.setattr(format_check, "MOST_SLOW_SECONDS", 0.5)
    asked: list[dict[str, Any]] = []
    attempt = quick_check._try

    def note(question: dict[str, Any]) -> Any:
        asked.extend([question] if question["schema"] is not None else [])  # the others only start a process
        return attempt(question)

    monkeypatch.setattr(quick_check, "_try", note)

    def submit() -> list[str]:
        count_slow_schemas()
        reasons = []
        for number in range(50):
            with pytest.raises(FormatError) as refused:
                quick_check.check_format(format_of(hostile(number)))
            reasons.append(refused.value.reason)
        return reasons

    reasons = copy_context().run(submit)
    assert "takes more than 0.3 s" in reasons[0]
    assert "comes after others" in reasons[-1]
    assert len(asked) < 5
    copy_context().run(quick_check.check_format, format_of({"type": "object"}))  # another submission


def test_no_endpoint_runs_in_the_threads_that_projects_do_not_share_out() -> None:
    routers = [module.routes for module in vars(main).values() if ismodule(module) and hasattr(module, "routes")]
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    of_projects = [route for route in routes if route.path.startswith("/v1/")]
    assert len(of_projects) > 30
    assert [route.path for route in of_projects if not iscoroutinefunction(route.endpoint)] == []
    for route in of_projects:
        waiting = [*route.dependant.dependencies]
        while waiting:
            dependant = waiting.pop()
            waiting += dependant.dependencies
            called = dependant.call
            assert iscoroutinefunction(called) or isasyncgenfunction(called) or isinstance(called, HTTPBearer), (
                f"{route.path}: {called}"
            )


def test_no_request_works_in_the_threads_that_projects_do_not_share_out() -> None:
    """What reads, writes or checks for one request goes through `services.reads` or `services.writes`."""
    shared = re.compile(r"run_in_threadpool|to_thread\.run_sync\((?!.*limiter=)")
    root = Path(main.__file__).parent
    found = {
        str(file.relative_to(root)) for file in root.rglob("*.py") if shared.search(file.read_text())
    }  # fmt: skip
    assert found == {"main.py", "model_lists/upstream_models.py"}


def test_an_api_that_is_told_to_end_does_not_wait_for_schemas(
    sqlite_url: str, redis_url: str, quick_check: FormatCheck
) -> None:
    """Before, each one in line took its 2 s, and the process had to be killed."""
    quick_check.cpu_seconds = 3600.0
    with ThreadPoolExecutor(8) as attackers, serve_api(sqlite_url, redis_url) as server:
        turns = server.config.app.state.services.writes  # type: ignore[union-attr]  # FastAPI's
        url = f"http://127.0.0.1:{server.port}/v1/jobs"
        attacks = [
            attackers.submit(httpx.post, url, json=chat_format(hostile(number)), timeout=PATIENCE_SECONDS)
            for number in range(8)
        ]
        wait_until(lambda: turns.all.borrowed_tokens == 8)  # the fault has fired
        assert not any(attack.done() for attack in attacks)
    assert turns.all.borrowed_tokens == 0  # `serve_api` has waited for the end of the server

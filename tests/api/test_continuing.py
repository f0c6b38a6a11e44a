"""`on_length` and `max_continuations` over HTTP: what is taken, what is refused, and where it holds."""

from typing import Any

import httpx
import pytest

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Write."}]}


def post(api: ApiServer, path: str, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{api.port}{path}", json=body)


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, ("stop", None)),
        ({"on_length": "stop"}, ("stop", None)),
        ({"on_length": "continue"}, ("continue", 8)),
        ({"on_length": "continue", "max_continuations": 100}, ("continue", 100)),
        ({"on_length": None, "max_continuations": None}, ("stop", None)),
    ],
)
def test_a_job_says_whether_its_text_goes_on(
    sqlite_api: ApiServer, fields: dict[str, Any], shown: tuple[str, int | None]
) -> None:
    accepted = post(sqlite_api, "/v1/jobs", {**ASK, **fields})
    assert accepted.status_code == 202
    job = httpx.get(f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{accepted.json()['id']}").json()
    assert (job["on_length"], job["max_continuations"]) == shown
    assert job["segments"] is None
    assert not {"on_length", "max_continuations"} & job["request"].keys()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"on_length": "go on"}, "on_length"),
        ({"on_length": True}, "on_length"),
        ({"max_continuations": 3}, "max_continuations"),
        ({"on_length": "stop", "max_continuations": 3}, "max_continuations"),
        ({"on_length": "continue", "max_continuations": 0}, "max_continuations"),
        ({"on_length": "continue", "max_continuations": 101}, "max_continuations"),
        ({"on_length": "continue", "max_continuations": "8"}, "max_continuations"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(sqlite_api: ApiServer, fields: dict[str, Any], param: str) -> None:
    refused = post(sqlite_api, "/v1/jobs", {**ASK, **fields})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


def test_a_batch_says_it_for_the_jobs_that_do_not(sqlite_api: ApiServer, sqlite_database: Database) -> None:
    bodies = [ASK, {**ASK, "on_length": "stop"}, {**ASK, "max_continuations": 2}]
    batch = {"requests": [{"body": body} for body in bodies], "on_length": "continue", "max_continuations": 5}
    assert post(sqlite_api, "/v1/batches", batch).status_code == 202
    found, _ = list_jobs(sqlite_database, JobFilter(), project=None, after=None, limit=9, newest_first=False)
    assert [job.max_continuations for job in found] == [5, None, 2]

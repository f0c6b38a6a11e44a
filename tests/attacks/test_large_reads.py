"""What is long is read and written out in a turn of its own: nine threads that did it kept all others waiting."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from api.server import ApiServer
from api.services import LARGE_BODY
from jobs.lifecycle.transitions import finish
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.callers import calling
from tests.store.reserving import claim_now
from tests.store.store_fixtures import written


@pytest.fixture
def large(sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what had a turn of that kind."""
    turns: Any = sqlite_api.config.app.state.services.large_reads  # type: ignore[union-attr]  # FastAPI's
    run, names = turns.run, []

    async def note(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        names.append(call.__name__)
        return await run(call, *arguments, **named)

    monkeypatch.setattr(turns, "run", note)
    return names


@pytest.fixture
def client(sqlite_api: ApiServer, sqlite_database: Database) -> Any:
    with calling(sqlite_api, create_key(sqlite_database)[1]) as opened:
        yield opened


def end(database: Database, job_id: str, text: str) -> None:
    claim_now(database, job_id, "w", 60)
    assert finish(database, job_id, 1, written(text))


LONG = "x" * LARGE_BODY


@pytest.mark.parametrize("asked", ["a short question", LONG])
@pytest.mark.parametrize("text", ["a short answer", LONG])
def test_a_job_with_a_long_request_or_text_has_its_turn_with_other_large_work(
    sqlite_database: Database, client: httpx.Client, large: list[str], asked: str, text: str
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": asked}]}
    path = f"/v1/jobs/{client.post('/v1/jobs', json=body).json()['id']}"
    end(sqlite_database, path.rpartition("/")[2], text)
    assert client.get(path).json()["request"] == body
    assert client.get(f"{path}/text").text == text
    shown = ["_show_job"] * (asked == LONG)
    assert large == shown + ["_show_text"] * (LONG in (asked, text))


@pytest.mark.parametrize("asked", ["a short question", LONG])
def test_a_long_response_has_its_turn_with_other_large_work(
    sqlite_database: Database, client: httpx.Client, large: list[str], asked: str
) -> None:
    made = client.post("/v1/responses", json={"model": "m", "input": asked, "background": True}).json()
    end(sqlite_database, made["id"].replace("resp_", "job_"), "an answer")
    path = f"/v1/responses/{made['id']}"
    assert client.get(path).json()["output"][0]["content"][0]["text"] == "an answer"
    assert client.get(f"{path}/input_items").json()["data"][0]["content"][0]["text"] == asked
    assert client.post(f"{path}/cancel").json()["status"] == "completed"
    wanted = ["find_response", "_show", "_show_items", "find_response", "find_response", "_show"]
    assert large == (wanted if asked == LONG else [])


@pytest.mark.parametrize("asked", ["a short question", LONG])
def test_the_answer_to_a_cancel_or_a_retry_is_written_out_there_too(
    client: httpx.Client, large: list[str], asked: str
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": asked}]}
    path = f"/v1/jobs/{client.post('/v1/jobs', json=body).json()['id']}"
    for what in ("cancel", "retry"):
        assert client.post(f"{path}/{what}").json()["request"] == body
    assert large == ["_show_job"] * (2 * (asked == LONG))

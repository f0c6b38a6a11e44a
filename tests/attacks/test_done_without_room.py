"""A change is made, and then there is no room for its answer: it is told as made, and nothing of it is lost."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.openai.completions import PATH as CHAT
from api.server import ApiServer
from jobs.lifecycle.transitions import finish
from jobs.store.database import Database
from jobs.store.queries import read_jobs
from tests.api.completing import Asking, only_job
from tests.attacks.test_large_answers import budget_of, keys, server
from tests.attacks.test_large_streams import LOGPROBS, LONG
from tests.store.reserving import claim_now
from tests.store.store_fixtures import written

__all__ = ["keys", "server"]

ASK = {"model": "m", "messages": [{"role": "user", "content": LONG}]}
WAYS: dict[str, dict[str, Any]] = {
    CHAT: {"model": "m", "messages": [{"role": "user", "content": "a"}]},
    "/v1/completions": {"model": "m", "prompt": "a"},
    "/v1/responses": {"model": "m", "input": "a"},
}


@pytest.fixture
def client(server: ApiServer, keys: tuple[str, str]) -> Iterator[httpx.Client]:
    """One that gets no large answer: slow readers hold all there is."""
    budget_of(server).held = budget_of(server).most
    headers = {"Authorization": f"Bearer {keys[0]}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers=headers, timeout=60) as opened:
        yield opened


def asking(client: httpx.Client, path: str, headers: dict[str, str] | None = None, **more: Any) -> Asking:
    """A client that waits for what a job writes."""
    sent = {"Authorization": client.headers["Authorization"], **(headers or {})}
    return Asking(client.base_url.port or 0, path, json={**WAYS[path], **more}, headers=sent)


def end(database: Database, text: str = LONG) -> str:
    """Let the one job there is write this text; its id."""
    job_id = only_job(database)
    claim_now(database, job_id, "w", 60)
    assert finish(database, job_id, 1, written(text))
    return job_id


def test_a_submission_is_answered_without_its_request(
    server: ApiServer, client: httpx.Client, sqlite_database: Database
) -> None:
    """It was answered with 503: ask again shortly. Whoever did had two jobs."""
    answer = client.post("/v1/jobs", json={**ASK, "custom_id": "a", "accept": {"min_words": 3}})
    assert answer.status_code == 202
    shown, job_id = answer.json(), only_job(sqlite_database)
    assert (shown["id"], shown["custom_id"], shown["request"]) == (job_id, "a", None)
    assert shown["accept"] == {"min_words": 3}  # what is short is in it
    assert answer.headers["location"] == f"/v1/jobs/{job_id}"
    assert client.get(f"/v1/jobs/{job_id}").status_code == 503
    budget_of(server).held = 0
    assert client.get(f"/v1/jobs/{job_id}").json()["request"] == ASK


def test_a_retry_and_a_cancel_are_answered_without_the_request(client: httpx.Client) -> None:
    job_id = client.post("/v1/jobs", json=ASK).headers["location"].rpartition("/")[2]
    for verb, status, became in (("cancel", 200, "cancelled"), ("retry", 202, "queued")):
        answer = client.post(f"/v1/jobs/{job_id}/{verb}")
        assert (answer.status_code, answer.json()["status"], answer.json()["request"]) == (status, became, None)


@pytest.mark.parametrize("path", WAYS)
def test_a_client_that_waited_for_a_text_is_told_where_it_is_and_not_to_ask_for_another(
    server: ApiServer, client: httpx.Client, sqlite_database: Database, path: str
) -> None:
    """OpenAI's SDK sends a POST again after 503 by itself: three texts were written and paid for one call."""
    waiting = asking(client, path)
    job_id = end(sqlite_database)
    answer = waiting.join()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "too_many_large_answers")
    assert answer.headers["x-job-id"] == job_id
    assert answer.headers["x-should-retry"] == "false"
    assert "Retry-After" not in answer.headers
    assert answer.headers["location"] in error["message"]
    budget_of(server).held = 0
    assert LONG in client.get(f"{answer.headers['location']}").text + client.get(f"/v1/jobs/{job_id}/text").text
    assert client.get(answer.headers["location"]).status_code == 200


def test_a_client_with_an_idempotency_key_is_told_to_send_the_same_again(
    server: ApiServer, client: httpx.Client, sqlite_database: Database
) -> None:
    key = {"Idempotency-Key": "k"}
    waiting = asking(client, CHAT, key)
    job_id = end(sqlite_database)
    refused = waiting.join()
    assert (refused.status_code, refused.headers["x-job-id"]) == (503, job_id)
    assert "Retry-After" in refused.headers
    assert "x-should-retry" not in refused.headers
    assert "Idempotency-Key" in refused.json()["error"]["message"]
    budget_of(server).held = 0
    assert client.post(CHAT, json=WAYS[CHAT], headers=key).json()["choices"][0]["message"]["content"] == LONG
    assert only_job(sqlite_database) == job_id


def test_a_response_in_the_background_is_named_though_there_is_no_room_for_it(
    client: httpx.Client, sqlite_database: Database
) -> None:
    body = {"model": "m", "input": "a", "instructions": LONG, "background": True}
    refused = client.post("/v1/responses", json=body)
    job_id = only_job(sqlite_database)
    assert (refused.status_code, refused.headers["x-should-retry"]) == (503, "false")
    assert refused.headers["location"] == f"/v1/responses/resp_{job_id.removeprefix('job_')}"


def test_what_changes_nothing_may_be_asked_for_again(client: httpx.Client) -> None:
    job_id = client.post("/v1/jobs", json=ASK).json()["id"]
    refused = client.get(f"/v1/jobs/{job_id}")
    assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert "x-should-retry" not in refused.headers


@pytest.mark.parametrize("path", [CHAT, "/v1/responses"])
def test_a_stream_whose_end_finds_no_room_says_where_it_is(
    client: httpx.Client, sqlite_database: Database, path: str
) -> None:
    waiting = asking(client, path, stream=True)
    job_id = only_job(sqlite_database)
    claim_now(sqlite_database, job_id, "w", 60)
    message: dict[str, Any] = {"message": {"logprobs": LOGPROBS}} if path == CHAT else {}
    assert finish(sqlite_database, job_id, 1, written("short" if path == CHAT else LONG, **message))
    answer = waiting.join()
    assert '"too_many_large_answers"' in answer.text
    where = f"/v1/jobs/{job_id}" if path == CHAT else f"resp_{job_id.removeprefix('job_')}"
    assert where in answer.text.rpartition('"error"')[2]
    assert [job.status for job in read_jobs(sqlite_database, [job_id], project=None)] == ["completed"]

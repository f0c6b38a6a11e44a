"""Submitting to an API that dies: the client comes back with the same key, and there is one batch."""

import threading
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from jobs.model.status import JobStatus
from jobs.tables import batches, jobs
from longhand.simulator import ServedSimulator
from tests.chaos.invariants import article, articles, check
from tests.chaos.processes import wait_until
from tests.chaos.stack import Stack

STEPS: dict[str, tuple[bytes, bytes, str]] = {
    "before_its_rows": (b"", b"INSERT INTO jobs", "hold"),
    "before_its_commit": (b"INSERT INTO jobs", b"COMMIT", "hold"),
    "in_its_commit": (b"INSERT INTO jobs", b"COMMIT", "swallow"),
    "before_its_answer": (b"COMMIT", b"FROM batches", "hold"),
}
"""Where the API is killed: what has passed, what passes, and what becomes of that."""


class Submission(threading.Thread):
    """A POST that may end in any way."""

    def __init__(self, stack: Stack, body: dict[str, Any], key: str) -> None:
        super().__init__(daemon=True)
        self._request = (f"{stack.api_url}/v1/batches", body, {"idempotency-key": key})
        self.response: httpx.Response | None = None

    def run(self) -> None:
        """Send it."""
        url, body, headers = self._request
        try:
            self.response = httpx.post(url, json=body, headers=headers, timeout=30)
        except httpx.HTTPError:
            self.response = None

    def send(self) -> httpx.Response:
        """Send it and wait for the answer."""
        self.start()
        self.join()
        assert self.response is not None
        return self.response


@pytest.mark.parametrize("step", STEPS)
def test_an_api_killed_at_any_step_and_a_client_that_retries_make_one_batch(
    stack: Stack, upstream: ServedSimulator, step: str
) -> None:
    """Fault 13."""
    api = stack.start_api()
    stack.start_worker(LONGHAND_HINT_SECONDS="2")
    assert stack.api_database is not None
    after, at, action = STEPS[step]
    trap = stack.api_database.trap(at, after=after, action=action)  # type: ignore[arg-type]  # one of three words
    body = {"requests": [{"body": request} for request in articles(40, deltas=5, per_second=50)]}
    first = Submission(stack, body, "the-key")
    first.start()
    trap.wait()
    if action == "swallow":
        stack.api_database.refuse()
    api.kill()
    trap.break_off()
    stack.api_database.heal()
    first.join()
    assert first.response is None or first.response.status_code >= 500
    wait_until(lambda: stack.api_database and stack.api_database.open_connections == 0, 10, "its connections are gone")
    committed = _count(stack, batches)
    assert committed == (step in ("in_its_commit", "before_its_answer"))
    stack.restart_api()
    again = Submission(stack, body, "the-key").send()
    assert again.status_code == 202
    assert again.headers.get("idempotent-replayed") == ("true" if committed else None)
    third = Submission(stack, body, "the-key").send()
    assert (third.json()["id"], third.headers["idempotent-replayed"]) == (again.json()["id"], "true")
    other = Submission(stack, {"requests": [{"body": article(1, deltas=1, per_second=50)}]}, "the-key").send()
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert (_count(stack, batches), _count(stack, jobs)) == (1, 40)
    stack.wait_final(60)
    assert check(stack, upstream).statuses == {JobStatus.COMPLETED: 40}


def _count(stack: Stack, table: Any) -> int:
    with stack.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0

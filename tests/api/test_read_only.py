"""A PostgreSQL that only reads, as a standby does after a failover: what is refused says so, and reads go on."""

import httpx
import pytest

from api import looks
from jobs.store.database import open_database
from jobs.store.write_trial import find_refusal
from tests.api.watching import REQUEST, submit, wait_until
from tests.conftest import serve_api
from tests.store.read_only import read_only


def test_a_database_that_only_reads_is_said_to_be_so_until_it_takes_writes(
    postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "TRIAL_SECONDS", 0.0)
    database = open_database(postgres_url)
    known = submit(database)
    with (
        serve_api(postgres_url, redis_url) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=90) as client,
    ):
        with read_only(database):
            wait_until(lambda: client.get(f"/v1/jobs/{known}").status_code == 200)
            answer = client.post("/v1/jobs", json=REQUEST)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (503, "database_unavailable")
            assert error["message"].startswith("the database takes no writes at the moment: it is read-only")
            assert int(answer.headers["retry-after"]) > 0
            # On a busy machine a look may say first that the database is slow.
            said = "answers and takes no writes: it is read-only"
            wait_until(lambda: client.get("/readyz").json()["database"] == said)
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        wait_until(lambda: client.get("/readyz").json()["database"] == "ok")
        assert client.post("/v1/jobs", json=REQUEST).status_code == 202
    database.close()


def test_a_trial_says_why_the_database_takes_no_writes(postgres_url: str) -> None:
    database = open_database(postgres_url)
    with read_only(database):
        assert find_refusal(database) == "it is read-only"
    assert find_refusal(database) is None
    database.close()

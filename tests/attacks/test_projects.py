"""What one project is shown of the work of the others."""

import json

import httpx
import pytest
from sqlalchemy import insert

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key
from jobs.tables import holds
from tests.api.callers import calling

JOB = {"model": "m", "messages": [{"role": "user", "content": "Write."}]}
QUOTED = 'The upstream answered 402: "no credit for the secret work of red"'


def shown_to(client: httpx.Client) -> str:
    """All that it is shown of holds: those of the upstream, of a job and of a batch."""
    job_id = client.post("/v1/jobs", json=JOB).raise_for_status().json()["id"]
    batch_id = client.post("/v1/batches", json={"requests": [{"body": JOB}]}).raise_for_status().json()["id"]
    asked = ("/v1/upstreams", "/v1/jobs", f"/v1/jobs/{job_id}", "/v1/batches", f"/v1/batches/{batch_id}")
    answers = [client.get(path).raise_for_status().json() for path in asked]
    assert all('"reason": "credit"' in json.dumps(answer) for answer in answers[1:])  # each tells the hold
    return json.dumps(answers)


@pytest.mark.parametrize(("held_by", "told"), [("system", False), ("person", True)])
def test_what_an_upstream_answered_is_told_to_operators_and_what_they_say_to_all(
    sqlite_api: ApiServer, sqlite_database: Database, held_by: str, told: bool
) -> None:
    secrets = {name: create_key(sqlite_database, project=name)[1] for name in ("default", "blue")}
    hold = {"reason": "credit", "message": QUOTED, "held_by": held_by, "since": sqlite_database.now()}
    with sqlite_database.write() as connection:
        connection.execute(insert(holds).values(kind="upstream", target="default", **hold))
    with calling(sqlite_api, secrets["default"]) as operator, calling(sqlite_api, secrets["blue"]) as blue:
        assert "secret work of red" in shown_to(operator)
        assert ("secret work of red" in shown_to(blue)) == told

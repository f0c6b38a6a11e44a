"""What a query may hold: ids that can be ids, values of bounded length. And cells that no spreadsheet runs."""

import csv
import io

import httpx
import pytest
from sqlalchemy import delete

from api.exports import csv_lines
from jobs.intake.submission import NewJob, submit_batch
from jobs.store.database import Database
from jobs.store.queries import stream_results
from jobs.tables import jobs
from tests.api.watching import REQUEST, submit


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/batches", "/v1/files"])
@pytest.mark.parametrize("wrong", ["zzz", "", "job", "1", "job_ABC", "response_0123", "job_" + "0" * 100])
def test_a_page_after_what_is_no_id_of_its_items_is_refused(shared_client: httpx.Client, path: str, wrong: str) -> None:
    answer = shared_client.get(path, params={"after": wrong})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["param"], error["code"]) == ("after", "invalid_value")
    assert error["message"].startswith("after: must be the id of a ")


@pytest.mark.parametrize("rest", ["0", "zzz", "f" * 29, "0" * 29, f"{2**42:012x}" + "0" * 17])
def test_a_page_after_an_id_that_was_never_made_is_refused(client: httpx.Client, rest: str) -> None:
    webhook = client.post("/v1/webhooks", json={"url": "https://192.0.9.1/", "events": ["batch.completed"]}).json()
    deliveries = f"/v1/webhooks/{webhook['id']}/deliveries"
    for path, kind in (("/v1/jobs", "job"), ("/v1/batches", "batch"), ("/v1/files", "file"), (deliveries, "evt")):
        answer = client.get(path, params={"after": f"{kind}_{rest}"})
        assert answer.status_code == 400, path
        assert answer.json()["error"]["param"] == "after"
        assert f"{kind}_{rest}" in answer.json()["error"]["message"]


def test_who_deletes_what_a_page_has_shown_goes_on_behind_it(client: httpx.Client, database: Database) -> None:
    submit_batch(database, [NewJob(request=REQUEST) for _ in range(5)])
    left = [job["id"] for job in client.get("/v1/jobs").json()["data"]]
    seen: list[str] = []
    after: dict[str, str] = {}
    while page := client.get("/v1/jobs", params={"limit": 2, **after}).json()["data"]:
        seen += [job["id"] for job in page]
        after = {"after": seen[-1]}
        with database.write() as connection:
            connection.execute(delete(jobs).where(jobs.c.id.in_(seen)))
    assert seen == left


def test_a_page_after_an_item_of_another_kind_is_refused(client: httpx.Client, database: Database) -> None:
    job_id = submit(database)
    assert client.get("/v1/jobs", params={"after": job_id}).json()["data"] == []
    for path in ("/v1/batches", "/v1/files"):
        assert client.get(path, params={"after": job_id}).status_code == 400


def test_jobs_of_what_is_no_batch_are_refused(client: httpx.Client, database: Database) -> None:
    answer = client.get("/v1/jobs", params={"batch_id": submit(database)})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "batch_id")


@pytest.mark.parametrize("letter", ["x", "%", "é", "文"])
def test_a_search_has_a_limit_that_each_database_can_read(
    client: httpx.Client, database: Database, letter: str
) -> None:
    submit(database)
    assert client.get("/v1/jobs", params={"q": letter * 1000}).status_code == 200
    answer = client.get("/v1/jobs", params={"q": letter * 1001})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "q: must have at most 1000 characters, not 1001"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/jobs", "custom_id"),
        ("/v1/jobs", "model"),
        ("/v1/jobs", "metadata.topic"),
        ("/v1/jobs", "created_after"),
        ("/v1/jobs", "limit"),
        ("/v1/jobs", "batch_id"),
        ("/v1/files", "purpose"),
        ("/v1/batches", "after"),
        ("/v1/batches/batch_0/results", "format"),
    ],
)
def test_no_other_parameter_is_without_a_limit(shared_client: httpx.Client, path: str, name: str) -> None:
    answer = shared_client.get(path, params={name: "1" * 2001})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"{name}: must have at most 2000 characters, not 2001"


FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\n\n=1", "\v=1",
    "＝1+1", "＋1", "－1", "＠SUM", "﹦1", "−1", " =1", "\u200b=1", "\ufeff=1", "\u3000＝1", "\u202e=1",
]  # fmt: skip


def test_no_cell_of_a_csv_begins_like_a_formula(sqlite_database: Database) -> None:
    plain = ["an article", "1 + 1 = 2", "《文》", " plain", "\u200bplain", ""]
    ids = [*FORMULAS, *plain]
    new_jobs = [NewJob(request=REQUEST, custom_id=custom_id) for custom_id in ids]
    batch_id = submit_batch(sqlite_database, new_jobs).id
    text = "".join(csv_lines(stream_results(sqlite_database, batch_id)))
    cells = [row["custom_id"] for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))]
    assert cells == [*("'" + formula for formula in FORMULAS), *plain]

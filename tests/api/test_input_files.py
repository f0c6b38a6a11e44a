"""Files as people have them over HTTP: what they would become, and the batches that are made of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from api.schemas.batches import BatchObject, InputObject
from tests.conftest import serve_api
from tests.inputs.cases import API_CASES, CASES, MODEL, TOPIC, Case, line
from tests.inputs.test_random_tables import ENCODINGS, tables, written


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, valkey_server: Any
) -> Iterator[httpx.Client]:
    """One API for all of these: none of them minds what the others have made."""
    home = tmp_path_factory.mktemp("inputs")
    (home / "longhand.db").write_bytes(sqlite_template.read_bytes())
    redis_url = str(valkey_server.connection_url)
    with (
        serve_api(f"sqlite:///{home / 'longhand.db'}", redis_url, files=home / "files") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as opened,
    ):
        yield opened


def upload(client: httpx.Client, name: str, content: bytes) -> str:
    answer = client.post("/v1/files", data={"purpose": "batch"}, files={"file": (name, content)})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def look(client: httpx.Client, file_id: str, **order: Any) -> dict[str, Any]:
    answer = client.post("/v1/inputs", json={"input_file_id": file_id, **order})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    InputObject.model_validate(found)
    return found


def jobs_of(client: httpx.Client, batch: dict[str, Any]) -> list[dict[str, Any]]:
    listed = client.get("/v1/jobs", params={"batch_id": batch["id"], "limit": 100}).json()["data"]
    return [client.get(f"/v1/jobs/{job['id']}").json() for job in reversed(listed)]


@pytest.mark.parametrize("case", [*CASES, *API_CASES], ids=lambda case: case.name)
def test_a_file_becomes_the_jobs_that_it_means_or_fails_with_its_line_and_a_remedy(
    case: Case, client: httpx.Client
) -> None:
    file_id = upload(client, case.name, case.content)
    # What is in OpenAI's form needs nothing said of it.
    order = {"input": {"model": MODEL, "template": case.template}} if case.is_table else {}
    looked = look(client, file_id, **order)
    answer = client.post("/v1/batches", json={"input_file_id": file_id, **order})
    assert answer.status_code == 200, answer.text
    batch = answer.json()
    BatchObject.model_validate(batch)
    if not case.jobs:
        assert batch["status"] == "failed"
        at, words = case.mistake or (None, "")
        [*_, first] = [one for one in batch["errors"]["data"] if one["line"] == at]
        assert words in first["message"]
        assert looked["mistakes"] == batch["errors"]["data"]
        assert looked["mistake_count"] == len(looked["mistakes"])
        told = [(one["line"], one["message"]) for one in looked["mistakes"]]
        assert len(told) == len(set(told)), "no mistake is told twice"
        return
    assert (batch["status"], batch["errors"]) == ("in_progress", None)
    made = jobs_of(client, batch)
    assert [(job["custom_id"], job["request"]["messages"][-1]["content"]) for job in made] == list(case.jobs)
    assert dict(case.body).items() <= made[0]["request"].items()
    assert {warning["code"] for warning in batch["warnings"]} == case.notes
    assert (looked["count"], looked["mistakes"]) == (len(case.jobs), [])
    assert looked["warnings"] == batch["warnings"]
    assert looked["first_prompt"] == case.jobs[0][1][:4000]


def test_a_look_tells_what_was_found_out_and_makes_nothing(client: httpx.Client) -> None:
    before = client.get("/v1/batches").json()["data"]
    file_id = upload(client, "t.csv", "编号;主题;\n1;绿茶;\n;;\n2;雨;\n".encode("gbk"))
    found = look(client, file_id, input={"template": "写{主题}", "model": "m"})
    assert (found["encoding"], found["is_guess"], found["delimiter"]) == ("GB18030", True, ";")
    assert (found["columns"], found["rows"]) == (["编号", "主题"], [["1", "绿茶"], ["2", "雨"]])
    assert (found["first_prompt"], found["count"], found["mistakes"]) == ("写绿茶", 2, [])
    assert {warning["code"]: warning["line"] for warning in found["warnings"]} == {"encoding": None, "blank_row": 3}
    first = look(client, file_id, input={"template": "写{主题}", "model": "m"}, limit=1)
    assert (first["count"], first["first_prompt"]) == (1, "写绿茶")
    without = look(client, file_id, input={"model": "m"})
    assert (without["columns"], without["rows"], without["count"]) == (found["columns"], found["rows"], 0)
    assert [mistake["code"] for mistake in without["mistakes"]] == ["no_template"]
    assert client.get("/v1/batches").json()["data"] == before


def test_a_file_that_is_read_as_said_needs_no_custom_ids_and_may_be_in_short_forms(client: httpx.Client) -> None:
    content = b'{"prompt": "Tea"}\n{"messages": [{"role": "user", "content": "Rain"}], "model": "own"}\n'
    file_id = upload(client, "short.jsonl", content)
    batch = client.post("/v1/batches", json={"input_file_id": file_id, "input": {"model": MODEL}}).json()
    shown = [
        (job["custom_id"], job["model"], job["request"]["messages"][0]["content"]) for job in jobs_of(client, batch)
    ]
    assert shown == [(None, MODEL, "Tea"), (None, "own", "Rain")]
    refused = client.post("/v1/batches", json={"input_file_id": file_id}).json()
    assert [error["param"] for error in refused["errors"]["data"]] == ["custom_id", "custom_id"]


def test_the_endpoint_may_be_named_as_azure_names_it(client: httpx.Client) -> None:
    order = {"input_file_id": upload(client, "a.jsonl", line("a").encode()), "endpoint": "/chat/completions"}
    assert client.post("/v1/batches", json=order).json()["status"] == "in_progress"
    refused = client.post("/v1/batches", json={**order, "endpoint": "/v1/embeddings"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "endpoint")


def test_requests_in_a_body_are_read_in_the_same_dialects(client: httpx.Client) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "tea"}], "extra_body": {"top_k": 3}}
    requests = [{"custom_id": 7, "url": "/chat/completions", "body": body}, {"prompt": "Rain", "model": MODEL}]
    batch = client.post("/v1/batches", json={"requests": requests}).json()
    assert [(job["custom_id"], job["request"].get("top_k")) for job in jobs_of(client, batch)] == [
        ("7", 3),
        (None, None),
    ]
    assert [(one["code"], one["line"], one["count"]) for one in batch["warnings"]] == [
        ("url", 1, 1),
        ("extra_body", 1, 1),
        ("custom_id", 1, 1),
    ]
    assert client.get(f"/v1/batches/{batch['id']}").json()["warnings"] == batch["warnings"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=tables(),
    encoding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    always=st.booleans(),
    end=st.sampled_from(["\r\n", "\n"]),
)
def test_a_random_table_becomes_its_own_prompts(
    client: httpx.Client,
    table: tuple[list[str], list[list[str]]],
    encoding: tuple[str, str, bool],
    delimiter: str,
    always: bool,
    end: str,
) -> None:
    columns, rows = table
    name, codec, is_found = encoding
    rows = [row for row in rows if all(cell.strip() for cell in row)]
    try:
        content = written(columns, rows, delimiter, always, end).encode(codec)
    except UnicodeEncodeError:
        assume(False)
    assume(rows)
    template = " § ".join(f"{{{column}}}" for column in columns)
    read = {"template": template, "model": "m", "encoding": None if is_found else name, "delimiter": delimiter}
    file_id = upload(client, "t.csv", content)
    found = look(client, file_id, input=read)
    if any("custom_id" in mistake["message"] for mistake in found["mistakes"]):
        return  # two rows happen to have one name, which is refused
    assert (found["columns"], found["count"], found["mistakes"]) == (columns, len(rows), [])
    assert found["rows"] == rows[:5]
    batch = client.post("/v1/batches", json={"input_file_id": file_id, "input": read}).json()
    made = [job["request"]["messages"][0]["content"] for job in jobs_of(client, batch)]
    assert made == [" § ".join(row) for row in rows]


@pytest.mark.parametrize(
    ("order", "param"),
    [
        ({"input": {"more": 1}}, "input.more"),
        ({"input": []}, "input"),
        ({"input": {"template": 3}}, "input.template"),
        ({"input": {"model": ""}}, "input.model"),
        ({"limit": 0}, "limit"),
        ({"more": 1}, "more"),
        ({"input_file_id": "file_0"}, "input_file_id"),
    ],
)
def test_a_wrong_look_is_refused_by_name(client: httpx.Client, order: dict[str, Any], param: str) -> None:
    file_id = upload(client, "t.csv", b"prompt\nTea\n")
    answer = client.post("/v1/inputs", json={"input_file_id": file_id, **order})
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"] == param


def test_the_first_hundred_mistakes_are_shown_and_all_are_counted(client: httpx.Client) -> None:
    file_id = upload(client, "t.csv", b"topic,tone\n" + b"Tea\n" * 250)
    found = look(client, file_id, input={"template": TOPIC, "model": "m"})
    assert ([mistake["line"] for mistake in found["mistakes"]], found["mistake_count"]) == (list(range(2, 102)), 250)


@pytest.mark.parametrize("name", ["topics.csv", "topics.txt", "topics.jsonl"])
def test_the_first_of_a_file_and_the_rest_of_it_are_all_of_it_and_none_twice(client: httpx.Client, name: str) -> None:
    topics = [f"topic {place}" for place in range(8)]
    content = {
        "topics.csv": "\n".join(["prompt", "", *topics[:3], "", *topics[3:]]),
        "topics.txt": "\n".join([*topics[:2], "", *topics[2:]]),
        "topics.jsonl": "\n".join(f'{{"prompt": "{topic}"}}' for topic in topics),
    }
    file_id = upload(client, name, content[name].encode())
    parts = []
    for count, part in ((3, {"take": 3}), (2, {"skip": 3, "take": 2}), (3, {"skip": 5})):
        order = {"input_file_id": file_id, "input": {"model": MODEL, **part}}
        assert look(client, file_id, input=order["input"])["count"] == count
        batch = client.post("/v1/batches", json=order).json()
        parts += [job["request"]["messages"][-1]["content"] for job in jobs_of(client, batch)]
    assert parts == topics


@pytest.mark.parametrize(
    ("part", "words"), [({"skip": -1}, "from 0 to"), ({"take": 0}, "from 1 to"), ({"take": "3"}, "")]
)
def test_a_part_of_a_file_that_cannot_be_is_refused(client: httpx.Client, part: dict[str, Any], words: str) -> None:
    file_id = upload(client, "a.txt", b"a\nb\n")
    answer = client.post("/v1/batches", json={"input_file_id": file_id, "input": {"model": MODEL, **part}})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, f"input.{next(iter(part))}")
    assert f"must be a whole number {words}" in answer.json()["error"]["message"]
    beyond = client.post("/v1/batches", json={"input_file_id": file_id, "input": {"model": MODEL, "skip": 2}}).json()
    assert [one["code"] for one in beyond["errors"]["data"]] == ["empty_file"]

"""The rows of a table stay with the jobs that are made of them, and come out again with their texts."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.schemas.batches import BatchObject
from api.schemas.jobs import JobWithAttempts
from jobs.inputs.reading import ReadOptions
from longhand.cli.submission import Options, read_submission
from tests.inputs.cases import MODEL
from tests.sparing import on_sqlite

TABLE = '编号,topic,=note\nt1,"tea, green","=1+1"\nt2,rain,\n'
JSON = {"content-type": "application/json"}
TEMPLATE = "Write about {topic}"
ROWS = [{"编号": "t1", "topic": "tea, green", "=note": "=1+1"}, {"编号": "t2", "topic": "rain", "=note": ""}]


def upload(client: httpx.Client, name: str, content: str) -> str:
    answer = client.post("/v1/files", data={"purpose": "batch"}, files={"file": (name, content.encode())})
    return str(answer.json()["id"])


def as_the_page(client: httpx.Client, name: str, content: str, **read: Any) -> dict[str, Any]:
    order = {"input_file_id": upload(client, name, content), "input": {"model": MODEL, **read}}
    batch: dict[str, Any] = client.post("/v1/batches", json=order).json()
    return batch


def as_the_command(client: httpx.Client, path: Path, content: str, **read: Any) -> dict[str, Any]:
    path.write_text(content)
    submission = read_submission(str(path), Options(MODEL, ReadOptions(**read)))
    batch: dict[str, Any] = client.post("/v1/batches", json=submission.body).json()
    return batch


def exported(client: httpx.Client, batch: dict[str, Any], **how: str) -> list[list[str]]:
    text = client.get(f"/v1/batches/{batch['id']}/results", params={"format": "csv", **how}).text
    before = csv.field_size_limit(10_000_000)  # it is the whole process's, and another test may have set it or not
    try:
        return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    finally:
        csv.field_size_limit(before)


def results(client: httpx.Client, batch: dict[str, Any]) -> list[dict[str, Any]]:
    lines = client.get(f"/v1/batches/{batch['id']}/results").text.splitlines()
    return [json.loads(line) for line in lines]


@on_sqlite
@pytest.mark.parametrize("way", ["page", "command"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_an_export_has_the_columns_of_the_table_in_their_order_and_no_formula(
    way: str, ending: str, client: httpx.Client, tmp_path: Path
) -> None:
    content = TABLE if ending == "csv" else TABLE.replace("tea, green", "tea; green").replace(",", "\t")
    rows = [{**row, "topic": row["topic"].replace(",", ",;"[ending == "tsv"])} for row in ROWS]
    read = {"template": TEMPLATE, "id_column": "编号"}
    if way == "page":
        batch = as_the_page(client, f"in.{ending}", content, **read)
    else:
        batch = as_the_command(client, tmp_path / f"in.{ending}", content, **read)
    BatchObject.model_validate(batch)
    header, *cells = exported(client, batch)
    assert header[-3:] == ["input.编号", "input.topic", "input.=note"]
    assert [row[-3:] for row in cells] == [["t1", rows[0]["topic"], "'=1+1"], ["t2", "rain", ""]]
    assert [row[header.index("prompt")] for row in cells] == [f"Write about {row['topic']}" for row in rows]
    assert exported(client, batch, lang="zh")[0][-3:] == ["输入.编号", "输入.topic", "输入.=note"]
    assert [list(result["cells"].items()) for result in results(client, batch)] == [list(row.items()) for row in rows]
    shown = client.get(f"/v1/jobs/{results(client, batch)[0]['id']}").json()
    JobWithAttempts.model_validate(shown)
    assert shown["cells"] == rows[0]
    assert "cells" not in json.dumps(shown["request"])


@on_sqlite
@pytest.mark.parametrize("name", ["in.txt", "in.jsonl"])
def test_what_is_no_table_has_no_cells(name: str, client: httpx.Client) -> None:
    batch = as_the_page(client, name, "Write about tea\n" if name == "in.txt" else '{"prompt": "Write about tea"}\n')
    header, row = exported(client, batch)
    assert (header[-1], row[-1]) == ("prompt", "Write about tea")
    assert "cells" not in results(client, batch)[0]


def test_a_table_of_no_rows_so_far_still_has_a_header(client: httpx.Client) -> None:
    failed = as_the_page(client, "in.csv", "topic\n", template="{topic}")
    assert failed["status"] == "failed"
    [header] = exported(client, failed)
    assert header[-1] == "prompt"


def item(cells: Any) -> dict[str, Any]:
    return {"cells": cells, "body": {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}}


@on_sqlite
@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"topic": 1}, "must be an object of texts"),
        (["tea"], "must be an object of texts"),
        ({"tone": "warm"}, "has other columns than the first request"),
        ({"tone": "warm", "topic": "tea"}, "has other columns than the first request"),
        (None, "has other columns than the first request"),
        ({str(number): "" for number in range(16_385)}, "has 16385 columns, and 16384 are allowed"),
    ],
)
def test_cells_that_are_none_or_of_another_table_are_refused_by_name(
    cells: Any, words: str, client: httpx.Client
) -> None:
    first = {"topic": "tea", "tone": "calm"}
    answer = client.post("/v1/batches", json={"requests": [item(first), item(cells)]})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, "requests[1].cells")
    assert words in error["message"]
    lines = "".join(json.dumps({"custom_id": str(n), **item(one)}) + "\n" for n, one in enumerate((first, cells)))
    failed = client.post("/v1/batches", json={"input_file_id": upload(client, "in.jsonl", lines)}).json()
    assert [(one["line"], one["param"]) for one in failed["errors"]["data"]] == [(2, "cells")]


def test_cells_may_hold_what_a_prompt_may_hold(client: httpx.Client) -> None:
    strange = {"": "a\0b", "\0": "茶 \U0001f600", "text": "x" * 200_000}
    batch = client.post("/v1/batches", json={"requests": [item(strange)]}).json()
    assert results(client, batch)[0]["cells"] == strange
    assert exported(client, batch)[1][-3:] == list(strange.values())


def test_half_a_surrogate_pair_is_refused_in_a_cell_and_replaced_in_a_prompt(client: httpx.Client) -> None:
    def post(text: str, cell: str) -> dict[str, Any]:
        request = {**item({"a": cell}), "body": {"model": MODEL, "messages": [{"role": "user", "content": text}]}}
        content = json.dumps({"requests": [request]})
        answer: dict[str, Any] = client.post("/v1/batches", content=content, headers=JSON).json()
        return answer

    assert post("x", "\ud83d")["error"]["message"] == "requests[0].cells: must not hold half a surrogate pair"
    header, row = exported(client, post("half \ud83d", "whole"))
    assert (row[header.index("prompt")], row[-1]) == ("half ?", "whole")


@on_sqlite
def test_a_row_that_is_too_long_with_its_cells_is_refused_by_its_line(client: httpx.Client) -> None:
    half = "x" * 6_000_000
    failed = as_the_page(client, "in.csv", f"topic\n{half}\n", template="{topic}")
    assert [(one["line"], one["code"]) for one in failed["errors"]["data"]] == [(2, "line_too_long")]
    assert "its prompt with its cells is longer than 10000000 bytes" in failed["errors"]["data"][0]["message"]


def test_what_was_submitted_is_seen_in_the_job(client: httpx.Client) -> None:
    own = {
        "custom_id": "tea",
        "metadata": {"series": "drinks"},
        "priority": 7,
        "max_attempts": 5,
        "on_interrupt": "continue",
        "on_length": "continue",
        "max_continuations": 4,
        "accept": {"min_words": 3},
        "on_reject": "repair",
        "max_repairs": 6,
        "expires_after": {"anchor": "ended_at", "seconds": 7200},
    }
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "temperature": 0.5}
    accepted = client.post("/v1/jobs", json={**body, **own}).json()
    shown = client.get(f"/v1/jobs/{accepted['id']}").json()
    for job in (accepted, shown):
        JobWithAttempts.model_validate({**shown, **job})
        assert {name: job[name] for name in own} == own
        assert (job["request"], job["only_upstream"]) == (body, None)
    terms = {"max_concurrency": 2, "output_expires_after": {"anchor": "created_at", "seconds": 7200}}
    batch = client.post("/v1/batches", json={"requests": [{"body": {**body, "on_interrupt": "continue"}}], **terms})
    assert {name: batch.json()[name] for name in terms} == terms
    [listed] = client.get("/v1/jobs", params={"batch_id": batch.json()["id"]}).json()["data"]
    assert (listed["on_interrupt"], listed["on_length"]) == ("continue", "stop")

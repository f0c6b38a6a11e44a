"""The results of a batch in every form: no partial text passes for a whole one."""

import codecs
import csv
import io
import json
import zipfile

import httpx
import pytest
import redis

from jobs.lifecycle.close_batch import close_batch
from jobs.store.database import Database
from tests.api.test_query import batch_of, ids
from tests.api.watching import Writer


@pytest.fixture
def ran(database: Database, valkey_client: redis.Redis) -> str:
    """A batch of which one job completed, one failed half-way, one was cut at its length, and one still runs."""
    batch_id, jobs = batch_of(database, "good", "=HYPERLINK(1)", None, "late\n#x")
    for job_id, text in zip(jobs[:3], ['Ünï, "quoted"\r\nlines', "@half", "-cut"], strict=True):
        writer = Writer(database, valkey_client, job_id)
        writer.write(text)
        if text == "@half":
            writer.fail()
        else:
            cut = {"finish_reason": "length", "incomplete": "max_output_tokens"} if text == "-cut" else {}
            writer.finish(**cut)
    Writer(database, valkey_client, jobs[3]).write("running")
    return batch_id


def test_results_as_jsonl_never_let_a_partial_text_pass_for_a_whole_one(client: httpx.Client, ran: str) -> None:
    answer = client.get(f"/v1/batches/{ran}/results")
    assert answer.headers["content-disposition"] == f'attachment; filename="{ran}.jsonl"'
    lines = [json.loads(line) for line in answer.content.decode().splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2, 3]
    assert [line["status"] for line in lines] == ["completed", "failed", "completed", "in_progress"]
    assert [line.get("text") for line in lines] == ['Ünï, "quoted"\r\nlines', None, "-cut", None]
    assert [line.get("partial_text") for line in lines] == [None, "@half", None, None]
    assert [line["finish_reason"] for line in lines] == ["stop", "stop", "length", None]
    assert [line["incomplete"] for line in lines] == [None, None, {"reason": "max_output_tokens"}, None]
    assert [line["text_attempt"] for line in lines] == [1, 1, 1, None]


def test_a_line_of_results_is_one_line_to_every_reader(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, (job_id,) = batch_of(database, "one")
    writer = Writer(database, valkey_client, job_id)
    writer.write("one\u2028two\u2029three\u0085four")
    text = writer.finish()
    close_batch(database, batch_id)
    output = client.get(f"/v1/batches/{batch_id}").json()["output_file_id"]
    shown = []
    for path in (f"/v1/batches/{batch_id}/results", f"/v1/files/{output}/content"):
        with client.stream("GET", path) as answer:
            lines = list(answer.iter_lines())  # they are split as `str.splitlines` does
        assert len(lines) == 1
        shown.append(json.loads(lines[0]))
    assert shown[0]["text"] == text
    assert shown[1]["response"]["body"]["choices"][0]["message"]["content"] == text


def test_results_as_csv_are_quoted_and_hold_no_formula(client: httpx.Client, ran: str) -> None:
    answer = client.get(f"/v1/batches/{ran}/results", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    # The mark comes first: without it Excel takes UTF-8 for the encoding of its country.
    assert answer.content.startswith(codecs.BOM_UTF8 + b"index,id,custom_id,status,finish_reason,")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["custom_id"] for row in rows] == ["good", "'=HYPERLINK(1)", "", "late\n#x"]
    assert [row["text"] for row in rows] == ['Ünï, "quoted"\r\nlines', "", "'-cut", ""]
    assert [row["partial_text"] for row in rows] == ["", "'@half", "", ""]
    assert [row["incomplete"] for row in rows] == ["", "", "max_output_tokens", ""]
    assert [row["text_attempt"] for row in rows] == ["1", "1", "1", ""]
    assert [row["prompt"] for row in rows] == ["Write."] * 4


def test_results_as_markdown_are_one_document_that_names_the_failed(client: httpx.Client, ran: str) -> None:
    answer = client.get(f"/v1/batches/{ran}/results", params={"format": "md"})
    assert answer.headers["content-disposition"] == f'attachment; filename="{ran}.md"'
    headings = [line for line in answer.text.splitlines() if line.startswith("## ")]
    assert headings == ["## good", "## =HYPERLINK(1)", "## Article 3", "## late #x"]
    assert "*Not completed: failed (upstream_error: played).*" in answer.text
    assert "*This text was cut short at the token limit (max_output_tokens).*" in answer.text
    assert "*Not completed yet: in_progress.*" in answer.text


def test_results_as_zip_have_a_file_for_each_text_and_name_those_that_are_not_whole(
    client: httpx.Client, ran: str
) -> None:
    answer = client.get(f"/v1/batches/{ran}/results", params={"format": "zip"})
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{ran}.zip"'
    third = ids(client.get("/v1/jobs", params={"batch_id": ran, "status": "completed", "order": "desc"}))[0]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert texts == {
        "0001-good.md": 'Ünï, "quoted"\r\nlines',
        "0002-HYPERLINK-1.partial.md": "@half",
        f"0003-{third}.partial.md": "-cut",
        "remarks.txt": "0002-HYPERLINK-1: incomplete: failed (upstream_error: played)\n"
        f"0003-{third}: cut short at the token limit (max_output_tokens)\n"
        "0004-late-x: no text: in_progress\n",
    }

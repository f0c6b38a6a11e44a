"""Exports that people read have headings in the language that the request asks for, and the same contents."""

import csv
import io
import zipfile

import httpx
import redis

from api.export_words import WORDS, column_headings
from api.exports import CSV_COLUMNS
from jobs.intake.submission import NewJob, submit_batch
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs
from tests.api.watching import REQUEST, Writer
from tests.sparing import on_sqlite


def a_batch(database: Database, valkey_client: redis.Redis) -> str:
    """One job completed, one cut short, one cancelled."""
    batch_id = submit_batch(database, [NewJob(request=REQUEST) for _ in range(3)]).id
    found, _ = list_jobs(database, JobFilter(), project=None, after=None, limit=9, newest_first=False)
    for job, incomplete in zip(found[:2], (None, "max_output_tokens"), strict=True):
        writer = Writer(database, valkey_client, job.id)
        writer.write("茶 tea")
        writer.finish(incomplete=incomplete)
    cancel_batch(database, batch_id)
    return batch_id


@on_sqlite
def test_headings_are_chinese_where_they_are_asked_for_and_cells_are_the_same(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    path = f"/v1/batches/{a_batch(database, valkey_client)}/results"
    table, chinese = (
        list(csv.reader(io.StringIO(client.get(path, params={"format": "csv", **lang}).text.removeprefix("\ufeff"))))
        for lang in ({}, {"lang": "zh"})
    )
    assert table[0] == list(CSV_COLUMNS)
    assert chinese[0][:5] == ["序号", "任务编号", "自定义编号", "状态", "结束原因"]
    assert len(set(chinese[0])) == len(CSV_COLUMNS)
    assert chinese[1:] == table[1:]
    article = client.get(path, params={"format": "md", "lang": "zh"}).text
    assert "## 第 1 篇\n\n茶 tea\n" in article
    assert "*这篇正文达到 token 上限而被截断（max_output_tokens）。*\n\n茶 tea\n" in article
    assert "未完成：已取消（" in article
    assert "## Article 1\n\n茶 tea\n" in client.get(path, params={"format": "md"}).text
    archive = zipfile.ZipFile(io.BytesIO(client.get(path, params={"format": "zip", "lang": "zh"}).content))
    cut, cancelled = archive.read("remarks.txt").decode().splitlines()
    assert cut.endswith("：达到 token 上限而被截断（max_output_tokens）")
    assert "：没有正文：已取消（cancelled: " in cancelled
    lines = [client.get(path, params=lang).content for lang in ({}, {"lang": "zh"})]
    assert lines[0] == lines[1]
    assert client.get(path, params={"lang": "de"}).json()["error"]["param"] == "lang"


def test_every_column_has_a_heading_of_its_own() -> None:
    assert column_headings(CSV_COLUMNS, "en") == list(CSV_COLUMNS)
    assert set(WORDS["zh"].cut_reasons) == set(WORDS["en"].cut_reasons)

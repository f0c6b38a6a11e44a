"""Files over HTTP: what is given back and listed, what nobody finds afterwards, and what is swept."""

import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from api.openai.schemas import FileList, FileObject
from api.submitting import uploads
from jobs.store.database import Database
from jobs.store.keys import create_key
from jobs.tables import files
from tests.api.file_serving import files_client, folder, served, upload
from tests.conftest import serve_api

__all__ = ["files_client", "folder", "served"]  # fixtures


def test_a_file_comes_back_as_it_was_sent(files_client: httpx.Client, folder: Path) -> None:
    content = os.urandom(2_500_000)  # several pieces, and boundaries in any place
    sent = upload(files_client, content, "a \N{CHERRY BLOSSOM}.jsonl").json()
    FileObject.model_validate(sent)
    assert (sent["bytes"], sent["filename"], sent["purpose"]) == (len(content), "a \N{CHERRY BLOSSOM}.jsonl", "batch")
    assert (sent["status"], sent["expires_at"]) == ("processed", None)
    assert files_client.get(f"/v1/files/{sent['id']}").json() == sent
    got = files_client.get(f"/v1/files/{sent['id']}/content", headers={"accept": "application/binary"})
    assert got.content == content
    part = files_client.get(f"/v1/files/{sent['id']}/content", headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert [path.name for path in folder.iterdir()] == [sent["id"]]


def test_files_are_listed_in_pages_by_purpose_and_in_both_orders(files_client: httpx.Client) -> None:
    ids = []
    for number in range(5):
        ids.append(upload(files_client, name=f"{number}.jsonl").json()["id"])
        time.sleep(0.002)  # ids of one millisecond come in no order
    listed = files_client.get("/v1/files").json()
    FileList.model_validate(listed)
    assert [file["id"] for file in listed["data"]] == ids[::-1]
    first = files_client.get("/v1/files", params={"limit": 2, "order": "asc"}).json()
    assert ([file["id"] for file in first["data"]], first["has_more"]) == (ids[:2], True)
    after = {"limit": 10_000, "order": "asc", "after": first["last_id"]}
    rest = files_client.get("/v1/files", params=after).json()
    assert ([file["id"] for file in rest["data"]], rest["has_more"]) == (ids[2:], False)
    assert files_client.get("/v1/files", params={"purpose": "batch_output"}).json()["data"] == []


def test_a_deleted_file_is_gone_with_its_bytes(files_client: httpx.Client, folder: Path) -> None:
    file_id = upload(files_client).json()["id"]
    assert files_client.delete(f"/v1/files/{file_id}").json() == {"id": file_id, "object": "file", "deleted": True}
    assert list(folder.iterdir()) == []
    for method, path in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answer = files_client.request(method, f"/v1/files/{file_id}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_an_expired_file_is_gone_and_the_next_upload_sweeps_its_bytes(
    files_client: httpx.Client, folder: Path, sqlite_database: Database
) -> None:
    expiring: dict[str, Any] = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    sent = upload(files_client, **expiring).json()
    assert sent["expires_at"] - sent["created_at"] == 3600
    with sqlite_database.write() as connection:
        row = update(files).where(files.c.id == sent["id"])
        connection.execute(row.values(expires_at=sqlite_database.now()))
    assert files_client.get(f"/v1/files/{sent['id']}").status_code == 404
    assert files_client.get("/v1/files").json()["data"] == []
    assert (folder / sent["id"]).exists()
    other = upload(files_client).json()
    assert [path.name for path in folder.iterdir()] == [other["id"]]


def test_what_has_no_row_is_swept_at_start_once_it_is_a_day_old(sqlite_url: str, redis_url: str, folder: Path) -> None:
    with serve_api(sqlite_url, redis_url, files=folder) as server:
        kept = httpx.post(
            f"http://127.0.0.1:{server.port}/v1/files", data={"purpose": "batch"}, files={"file": ("a", b"x")}
        ).json()["id"]
    old = time.time() - 2 * 86400
    for name in (kept, "file_1", "file_0.part-ab", "README"):
        (folder / name).touch()
        os.utime(folder / name, (old, old))
    (folder / "file_2").touch()
    with serve_api(sqlite_url, redis_url, files=folder):
        pass
    assert sorted(path.name for path in folder.iterdir()) == sorted([kept, "file_2", "README"])


def test_a_file_that_goes_away_while_the_folder_is_swept_keeps_no_other_from_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    for name in ("file_1", "file_2", "file_3"):
        (folder / name).touch()
        os.utime(folder / name, (0, 0))
    is_older = uploads._is_older

    def go_away(entry: "os.DirEntry[str]", before: float) -> bool:
        if entry.name == "file_2":
            (folder / "file_2").unlink()
        return is_older(entry, before)

    monkeypatch.setattr(uploads, "_is_older", go_away)
    assert sorted(uploads.find_old(folder)) == ["file_1", "file_3"]


def test_the_file_of_another_project_is_not_there(
    files_client: httpx.Client, sqlite_database: Database, folder: Path
) -> None:
    keys = [create_key(sqlite_database, project=project)[1] for project in ("one", "two")]
    mine, other = ({"Authorization": f"Bearer {key}"} for key in keys)
    with sqlite_database.read() as connection:
        assert connection.execute(select(files)).all() == []
    for _ in range(1500):  # the process asks only every few seconds whether there is a key
        if files_client.get("/v1/files").status_code == 401:
            break
        time.sleep(0.01)
    sent = files_client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("a", b"x")}, headers=mine).json()
    unknown = {"input_file_id": sent["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    answers = [
        files_client.get(f"/v1/files/{sent['id']}", headers=other),
        files_client.get(f"/v1/files/{sent['id']}/content", headers=other),
        files_client.delete(f"/v1/files/{sent['id']}", headers=other),
        files_client.post("/v1/batches", json=unknown, headers=other),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4
    assert files_client.get("/v1/files", headers=other).json()["data"] == []
    assert files_client.get(f"/v1/files/{sent['id']}/content", headers=mine).content == b"x"

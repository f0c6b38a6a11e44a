"""Uploads that are refused or break off: wrong fields, broken forms and too large files leave nothing."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.file_serving import files_client, folder, served, upload

__all__ = ["files_client", "folder", "served"]  # fixtures


def test_an_upload_with_a_key_is_refused_because_it_would_be_made_twice(
    files_client: httpx.Client, folder: Path
) -> None:
    files_client.headers["Idempotency-Key"] = "k"
    answer = upload(files_client)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "Idempotency-Key")
    assert not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"purpose": "fine-tune"}, "purpose"),
        ({"purpose": "batch_output"}, "purpose"),
        ({"metadata": "x"}, "metadata"),
        ({"expires_after[anchor]": "created_at"}, "expires_after[seconds]"),
        ({"expires_after[seconds]": "3600"}, "expires_after[anchor]"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"}, "expires_after[seconds]"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "9" * 5000}, "expires_after[seconds]"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "000003600000"}, "expires_after[seconds]"),
        (
            {"expires_after[anchor]": "created_at", "expires_after[seconds]": "00003600" + "9" * 12},
            "expires_after[seconds]",
        ),
    ],
)
def test_a_wrong_field_is_refused_by_name(
    files_client: httpx.Client, folder: Path, fields: dict[str, Any], param: str
) -> None:
    answer = upload(files_client, **fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert list(folder.iterdir()) == []


def form(*parts: bytes, end: bytes = b"--x--\r\n") -> bytes:
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + end


PURPOSE = b'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch'
FILE = b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\nline'


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (form(PURPOSE), 400, "missing_required_parameter"),
        (form(FILE), 400, "missing_required_parameter"),
        (form(PURPOSE, FILE, FILE), 400, "invalid_value"),
        (form(PURPOSE, PURPOSE, FILE), 400, "invalid_value"),
        (form(PURPOSE, FILE.replace(b'"file"', b'"other"')), 400, "unknown_parameter"),
        (form(PURPOSE, FILE.replace(b'"a"', b'""')), 400, "invalid_value"),
        (form(PURPOSE, FILE, end=b""), 400, "invalid_multipart"),
        (form(*[PURPOSE.replace(b"purpose", b"p%d" % n) for n in range(50)]), 400, "invalid_multipart"),
        (form(b"X: " + b"x" * 100_000 + b"\r\n\r\nbatch"), 400, "invalid_multipart"),
        (form(PURPOSE + b"x" * 100_000, FILE), 413, "field_too_large"),
        (b"nothing of the kind", 400, "invalid_multipart"),
        (b"", 400, "invalid_multipart"),
    ],
)
def test_a_broken_form_is_refused_and_leaves_nothing(
    files_client: httpx.Client, folder: Path, body: bytes, status: int, code: str
) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = files_client.post("/v1/files", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert list(folder.iterdir()) == []


def test_a_body_that_is_no_form_is_refused(files_client: httpx.Client) -> None:
    assert files_client.post("/v1/files", json={}).status_code == 415
    assert (
        files_client.post("/v1/files", content=b"", headers={"content-type": "multipart/form-data"}).status_code == 415
    )


def test_a_file_that_is_too_large_is_refused_while_it_comes(files_client: httpx.Client, folder: Path) -> None:
    sent: list[int] = []

    def pieces() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 1_000_000
        while not list(folder.glob("*")):
            time.sleep(0.01)
        for number in range(200):
            sent.append(number)
            yield b"x" * 1_000_000

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = files_client.post("/v1/files", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "file_too_large")
    assert len(sent) < 200  # the connection was closed long before the end
    assert list(folder.iterdir()) == []


def test_a_form_that_goes_on_for_ever_after_its_end_is_refused(files_client: httpx.Client, folder: Path) -> None:
    sent: list[int] = []

    def pieces() -> Iterator[bytes]:
        yield form(PURPOSE, FILE)
        for number in range(200):
            sent.append(number)
            yield b"\r\n" * 50_000

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = files_client.post("/v1/files", content=pieces(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "file_too_large")
    assert len(sent) < 200
    assert list(folder.iterdir()) == []


def test_a_file_that_says_it_is_too_large_is_refused_before_it_comes(files_client: httpx.Client, folder: Path) -> None:
    answer = upload(files_client, b"x" * 4_000_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "file_too_large")
    assert list(folder.iterdir()) == []


def test_a_client_that_goes_away_leaves_nothing(files_client: httpx.Client, folder: Path) -> None:
    seen = threading.Event()

    def pieces() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 2_000_000
        while not list(folder.glob("*")):
            time.sleep(0.01)
        seen.set()
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        files_client.post("/v1/files", content=pieces(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert seen.is_set()
    files_client.close()
    for _ in range(1000):
        if not list(folder.iterdir()):
            break
        time.sleep(0.01)
    assert list(folder.iterdir()) == []

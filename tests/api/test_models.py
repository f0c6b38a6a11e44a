"""The upstreams' models; and what is said when they cannot be had."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.model_lists.upstream_models import Models
from jobs.settings import Settings
from jobs.upstreams import UNDECLARED, UpstreamSource
from tests.conftest import free_port, serve_api

KEY = "sk-canary-key-of-the-upstream"
LIST = b'{"object": "list", "data": [{"id": "meta/llama", "object": "model", "created": 1, "owned_by": "us"}]}'


class Upstream:
    """An upstream that gives one answer to everything (or only to this path), and notes what it was asked."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str], path: str | None = None) -> None:
        self.asked: list[tuple[str, str | None]] = []
        upstream = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server looks for
                upstream.asked.append((self.path, self.headers.get("authorization")))
                self.send_response(status if path in (None, self.path) else 404)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_CONNECT(self) -> None:  # it may play a proxy
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


def answering(status: int, body: bytes, **headers: str) -> AbstractContextManager[Upstream]:
    """Such an upstream, for as long as the block lasts."""
    return serving(Upstream(status, body, headers))


def listing_only() -> AbstractContextManager[Upstream]:
    """One that knows the list of models and nothing else."""
    return serving(Upstream(200, LIST, {}, "/v1/models"))


@contextmanager
def serving(upstream: Upstream) -> Iterator[Upstream]:
    """Serve it for as long as the block lasts."""
    thread = threading.Thread(target=upstream.server.serve_forever)
    thread.start()
    try:
        yield upstream
    finally:
        upstream.server.shutdown()
        thread.join()
        upstream.server.server_close()


@contextmanager
def client_of(sqlite_url: str, redis_url: str, upstream_url: str | None) -> Iterator[httpx.Client]:
    """A client of an API with this upstream."""
    more = {"LONGHAND_UPSTREAM_URL": upstream_url, "LONGHAND_UPSTREAM_API_KEY": KEY}
    with (
        serve_api(sqlite_url, redis_url, **more) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}/v1", timeout=90, trust_env=False) as client,
    ):
        yield client


def test_models_are_what_the_upstream_says_asked_with_its_key_and_kept_for_a_moment(
    sqlite_url: str, redis_url: str
) -> None:
    with answering(200, LIST) as upstream, client_of(sqlite_url, redis_url, upstream.url) as client:
        assert client.get("/models").content == client.get("/models").content
        assert client.get("/models").json()["data"][0]["id"] == "meta/llama"
        assert upstream.asked == [("/v1/models", f"Bearer {KEY}")]
        assert client.get("/models/meta/llama 3:b").status_code == 200
        assert upstream.asked[1][0] == "/v1/models/meta/llama%203:b"
        for outside in ("%2e%2e/files", "a/%2e%2e/b", "a//b"):
            assert client.get(f"/models/{outside}").status_code == 404
        assert len(upstream.asked) == 2


@pytest.mark.parametrize("written", ["?api-version=2", "/?api-version=2", "/chat/completions?api-version=2"])
def test_the_models_are_asked_for_beside_the_completions_however_the_url_is_written(
    sqlite_url: str, redis_url: str, written: str
) -> None:
    with answering(200, LIST) as upstream, client_of(sqlite_url, redis_url, upstream.url + written) as client:
        assert client.get("/models").status_code == 200
        assert client.get("/models/meta/llama 3:b").status_code == 200
        assert client.get("/models/a%25b").status_code == 200
    paths = [path for path, _ in upstream.asked]
    assert paths == [
        "/v1/models?api-version=2",
        "/v1/models/meta/llama%203:b?api-version=2",
        "/v1/models/a%25b?api-version=2",
    ]


@pytest.mark.parametrize(
    ("status", "body", "expected", "code"),
    [
        (401, b'{"error": {"message": "wrong key: ' + KEY.encode() + b'"}}', 502, "upstream_unauthorized"),
        (404, b'{"error": {"message": "no"}}', 502, "upstream_error"),
        (429, b"{}", 429, "rate_limit_exceeded"),
        (500, b"{}", 502, "upstream_error"),
        (302, b"{}", 502, "upstream_error"),
        (200, b"<html>", 502, "upstream_error"),
        (200, b"[7]", 502, "upstream_error"),
        (200, b'{"data": 7}', 502, "upstream_error"),
        (200, b"\xff", 502, "upstream_error"),
    ],
)
def test_what_is_no_list_is_an_error_that_names_no_secret(
    sqlite_url: str, redis_url: str, status: int, body: bytes, expected: int, code: str
) -> None:
    with answering(status, body, location="/x") as upstream, client_of(sqlite_url, redis_url, upstream.url) as client:
        answer = client.get("/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (expected, code)
    assert KEY not in answer.text


def test_an_upstream_that_is_not_there_or_not_set_is_said(sqlite_url: str, redis_url: str) -> None:
    with client_of(sqlite_url, redis_url, f"http://127.0.0.1:{free_port()}/v1") as client:
        answer = client.get("/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    with client_of(sqlite_url, redis_url, None) as client:
        answer = client.get("/models")
        assert (answer.status_code, answer.json()["error"]["code"]) == (501, "upstream_not_set")
        assert "LONGHAND_UPSTREAM_URL" in answer.json()["error"]["message"]


def test_the_proxy_before_the_upstream_is_asked_too_and_not_told_the_key(
    sqlite_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(407, b"") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with client_of(sqlite_url, redis_url, "https://upstream.invalid/v1") as client:
            assert client.get("/models").status_code == 502
        assert proxy.asked == [("upstream.invalid:443", None)]


def test_an_upstream_without_tls_is_asked_directly(
    sqlite_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(200, LIST) as upstream, answering(500, b"") as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        with client_of(sqlite_url, redis_url, upstream.url) as client:
            assert client.get("/models").status_code == 200
        assert proxy.asked == []


@pytest.mark.parametrize(("asked", "told"), [("5", "5"), ("5 \u20ac", None), (None, None)])
def test_how_long_the_upstream_asks_to_wait_is_told_when_it_can_be(
    sqlite_url: str, redis_url: str, asked: str | None, told: str | None
) -> None:
    more = {"Retry-After": asked.encode().decode("latin-1")} if asked else {}
    with answering(429, b"{}", **more) as upstream, client_of(sqlite_url, redis_url, upstream.url) as client:
        answer = client.get("/models")
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == told


@contextmanager
def client_of_file(sqlite_url: str, redis_url: str, file: Path, text: str) -> Iterator[httpx.Client]:
    """A client of an API with this upstreams file."""
    file.write_text(text)
    with (
        serve_api(sqlite_url, redis_url, upstreams=file) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}/v1", timeout=90, trust_env=False) as client,
    ):
        yield client


def test_the_lists_of_all_upstreams_are_one_each_asked_with_its_own_headers(
    sqlite_url: str, redis_url: str, tmp_path: Path
) -> None:
    bare = b'["gpt-4o", {"id": "vendor/gpt-4.1", "context": 9}]'
    (tmp_path / "key").write_text(KEY)
    with answering(200, LIST) as one, answering(200, bare) as two, answering(500, b"{}") as broken:
        text = f"""
        [[upstream]]
        name = "one"
        url = "{one.url}"
        api_key_file = "key"
        models = ["meta/*", "gpt-4.1"]
        [[upstream]]
        name = "two"
        url = "{two.url}?api-version=2"
        headers = {{ authorization = "file:key" }}
        models = ["gpt-*"]
        rename = {{ "gpt-4.1" = "vendor/gpt-4.1" }}
        [[upstream]]
        name = "broken"
        url = "{broken.url}"
        """
        with client_of_file(sqlite_url, redis_url, tmp_path / "upstreams.toml", text) as client:
            listed = client.get("/models").json()["data"]
            assert [item["id"] for item in listed] == ["meta/llama", "gpt-4.1", "gpt-4o"]
            assert one.asked == [("/v1/models", f"Bearer {KEY}")]
            assert two.asked == [("/v1/models?api-version=2", KEY)]
            assert client.get("/models/gpt-4o").json()["id"] == "gpt-4o"  # two has no address for it; its list has it
            assert two.asked[-1] == ("/v1/models/gpt-4o?api-version=2", KEY)


def test_a_model_is_found_in_the_list_where_the_upstream_has_no_address_for_it(sqlite_url: str, redis_url: str) -> None:
    with listing_only() as upstream, client_of(sqlite_url, redis_url, upstream.url) as client:
        assert client.get("/models/meta/llama").json()["owned_by"] == "us"
        answer = client.get("/models/meta/other")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert [path for path, _ in upstream.asked] == ["/v1/models/meta/llama", "/v1/models", "/v1/models/meta/other"]


def test_a_changed_upstream_takes_the_place_of_what_it_was() -> None:
    """Each client has a TLS context, of half a megabyte."""
    models = Models(UpstreamSource(Settings(), needs_keys=False))
    one, two = (replace(UNDECLARED, name=name, url="http://127.0.0.1:9/v1") for name in ("one", "two"))
    first, other = models._client(one), models._client(two)
    changed = replace(one, url="http://127.0.0.1:10/v1")
    assert models._client(changed).spec == changed
    assert models._client(two) is other
    assert models._client(one) is not first
    assert len(models._clients) == 2

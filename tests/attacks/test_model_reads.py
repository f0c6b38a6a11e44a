"""An upstream that does not say what its models are: whoever asks for them waits, and nobody else."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import httpx
import pytest

from api.model_lists import kept_lists, upstream_models
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.test_models import LIST, answering
from tests.api.watching import wait_until
from tests.conftest import serve_api


def test_one_project_that_asks_a_silent_upstream_keeps_no_other_waiting(
    sqlite_url: str, redis_url: str, sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred such questions stood before everybody's, also to other upstreams, for minutes."""
    secrets = {name: create_key(sqlite_database, project=name)[1] for name in ("red", "blue")}
    monkeypatch.setattr(upstream_models, "_SECONDS", 5.0)
    file = tmp_path / "upstreams.toml"
    with socket.create_server(("127.0.0.1", 0)) as silent, answering(200, LIST) as good:
        port = silent.getsockname()[1]
        file.write_text(
            f'[[upstream]]\nname = "silent"\nurl = "http://127.0.0.1:{port}/v1"\nmodels = ["s/*"]\n'
            f'[[upstream]]\nname = "good"\nurl = "{good.url}"\nmodels = ["meta/*"]\n'
        )
        with serve_api(sqlite_url, redis_url, upstreams=file) as server, ThreadPoolExecutor(20) as attackers:

            def ask(name: str, model: str) -> httpx.Response:
                url = f"http://127.0.0.1:{server.port}/v1/models/{model}"
                return httpx.get(url, headers={"Authorization": f"Bearer {secrets[name]}"}, timeout=60)

            asking = server.config.app.state.services.models._asking  # type: ignore[union-attr]  # FastAPI's
            attacks = [attackers.submit(ask, "red", f"s/{number}") for number in range(20)]
            wait_until(lambda: ("red", "silent") in asking and len(asking["red", "silent"]._waiters or ()) == 18)
            assert ask("blue", "meta/llama").status_code == 200
            assert ask("red", "meta/llama").status_code == 200
            assert not any(attack.done() for attack in attacks)
            assert {attack.result().status_code for attack in attacks} == {504}


class Hanging:
    """An upstream that has a model more each time that it is asked, and waits before it says so if it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()
        hanging = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hanging.asked += 1
                names = [f"h/{number}" for number in range(hanging.asked)]
                hanging.may_answer.wait(60)
                body = json.dumps({"data": [{"id": name} for name in names]}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def one_of_two_hangs(sqlite_url: str, redis_url: str, tmp_path: Path) -> Iterator[tuple[httpx.Client, Hanging]]:
    """A client of an API with two upstreams, of which the second one can be made to answer nothing."""
    file = tmp_path / "upstreams.toml"
    with answering(200, LIST) as good, Hanging() as hanging:
        file.write_text(
            f'[[upstream]]\nname = "good"\nurl = "{good.url}"\nmodels = ["meta/*"]\n'
            f'[[upstream]]\nname = "hanging"\nurl = "{hanging.url}"\nmodels = ["h/*"]\n'
        )
        with (
            serve_api(sqlite_url, redis_url, upstreams=file) as server,
            httpx.Client(base_url=f"http://127.0.0.1:{server.port}/v1", timeout=90, trust_env=False) as client,
        ):
            yield client, hanging


def names_of(client: httpx.Client) -> list[str]:
    return [item["id"] for item in client.get("/models").json().get("data", [])]


def test_an_upstream_that_hangs_is_left_out_of_the_list_until_it_answers(
    sqlite_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody waited twenty seconds for it, of each half minute."""
    monkeypatch.setattr(upstream_models, "_SECONDS", 60.0)
    monkeypatch.setattr(kept_lists, "FIRST_SECONDS", 0.1)
    with one_of_two_hangs(sqlite_url, redis_url, tmp_path) as (client, hanging):
        wait_until(lambda: names_of(client) == ["meta/llama"])  # the other one, too, may take longer than a moment
        assert names_of(client) == ["meta/llama"]
        assert hanging.asked == 1
        hanging.may_answer.set()
        wait_until(lambda: names_of(client) == ["meta/llama", "h/0"])
        assert hanging.asked == 1


def test_what_an_upstream_said_stands_while_it_hangs(
    sqlite_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_models, "_SECONDS", 60.0)
    monkeypatch.setattr(kept_lists, "FIRST_SECONDS", 60.0)
    monkeypatch.setattr(kept_lists, "AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(kept_lists, "KEPT_SECONDS", 0.0)
    with one_of_two_hangs(sqlite_url, redis_url, tmp_path) as (client, hanging):
        hanging.may_answer.set()
        assert names_of(client) == ["meta/llama", "h/0"]
        hanging.may_answer.clear()
        assert names_of(client) == names_of(client) == ["meta/llama", "h/0"]
        assert hanging.asked == 2
        hanging.may_answer.set()
        wait_until(lambda: "h/1" in names_of(client))

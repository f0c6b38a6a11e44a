"""An upstream that does not say what its models are: whoever asks for them waits, and nobody else."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api.model_lists import upstream_models
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

"""What an import costs: who only uses the client must not load the stack."""

import json
import subprocess
import sys
from importlib import import_module

import pytest

from jobs.starting import loading

_LOADED = "import json, sys, longhand; {line}; print(json.dumps(sorted(sys.modules)))"
_OF_THE_STACK = {"alembic", "api", "celery", "fastapi", "jobs", "pydantic", "redis", "sqlalchemy", "typer", "worker"}


def loaded_by(line: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after this line."""
    command = [sys.executable, "-c", _LOADED.format(line=line)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize(
    "line", ["longhand.Client", "longhand.AsyncClient", "from longhand.client.errors import NotFoundError"]
)
def test_the_clients_load_nothing_of_the_stack(line: str) -> None:
    assert not loaded_by(line) & _OF_THE_STACK


def test_the_package_itself_loads_no_http_client() -> None:
    assert "httpx" not in loaded_by("longhand.Delta")
    assert "httpx" in loaded_by("longhand.Client")


def test_everything_that_is_promised_is_there() -> None:
    loaded = loaded_by("from longhand import *; [globals()[name] for name in longhand.__all__]")
    assert {
        "longhand.client.client",
        "longhand.client.async_client",
        "longhand.client.events",
        "longhand.client.objects",
    } <= loaded


def test_a_worker_loads_neither_the_command_of_httpx_nor_the_metrics_of_redis() -> None:
    loaded = loaded_by("import worker.__main__")
    assert {"httpx", "redis"} <= loaded
    assert not loaded & {"httpx._main", "opentelemetry.sdk.metrics", "pygments", "rich"}


def test_what_is_left_out_while_a_process_starts_can_be_loaded_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "httpx._main", raising=False)
    with loading(), pytest.raises(ImportError):
        import_module("httpx._main")
    assert import_module("httpx._main").main

"""What an import costs: who only uses the client must not load the stack."""

import json
import subprocess
import sys

import pytest

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

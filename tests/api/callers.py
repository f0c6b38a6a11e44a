"""For the tests of keys and projects: callers with a key each, and a keyring that forgets at once."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.conftest import serve_api


@contextmanager
def calling(api: ApiServer, secret: str | None = None) -> Iterator[httpx.Client]:
    """A client of the API that sends this key, or none."""
    headers = {"Authorization": f"Bearer {secret}"} if secret else {}
    with httpx.Client(base_url=f"http://127.0.0.1:{api.port}", headers=headers, timeout=90) as client:
        yield client


@pytest.fixture
def secrets(database: Database) -> dict[str, str]:
    """A key for each of two projects."""
    return {project: create_key(database, project=project)[1] for project in ("blue", "red")}


@pytest.fixture
def closed_api(secrets: dict[str, str], database_url: str, redis_url: str) -> Iterator[ApiServer]:
    """A real API server that serves nobody without a key: there were keys before it started."""
    with serve_api(database_url, redis_url) as server:
        yield server


@pytest.fixture
def blue(closed_api: ApiServer, secrets: dict[str, str]) -> Iterator[httpx.Client]:
    """A caller of the project `blue`."""
    with calling(closed_api, secrets["blue"]) as client:
        yield client


@pytest.fixture
def red(closed_api: ApiServer, secrets: dict[str, str]) -> Iterator[httpx.Client]:
    """A caller of the project `red`."""
    with calling(closed_api, secrets["red"]) as client:
        yield client


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status_code, str(answer.json()["error"]["code"])

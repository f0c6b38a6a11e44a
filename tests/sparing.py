"""What spares the tests time that says nothing of the product."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import uvicorn.server
from fastapi import FastAPI
from sqlalchemy import Engine, create_engine
from sqlalchemy.util import LRUCache
from starlette.routing import BaseRoute

from jobs.dispatch import lanes
from jobs.store import database

AUTHORITIES = {name: os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
"""Whom this machine trusts, for what a test starts that speaks with strangers; see `trusting_nobody`."""

_MEMORY = Path("/dev/shm")  # noqa: S108  # only a folder with a random name is made there
_ROOM_BYTES = 2 << 30

_shared_routes: list[BaseRoute] = []

on_text = pytest.mark.parametrize("either_text", ["text"], indirect=True)
on_reasoning = pytest.mark.parametrize("either_text", ["reasoning"], indirect=True)
"""For a test of how much is sent and held, and not of what: by the same way, whichever of the two it is."""

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For a test of what the product makes of its rows, hour by hour or for many values: shorter tests beside it run the
same statements on PostgreSQL, where each costs two to three times the CPU time.
"""


def folder_in_memory(prefix: str) -> Path:
    """A new folder for databases, in memory where there is room: what a test stores need not survive a power cut."""
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    return Path(tempfile.mkdtemp(prefix=prefix, dir=_MEMORY if roomy else None))


@contextmanager
def trusting_nobody(empty: Path) -> Iterator[None]:
    """Let the many HTTP clients of this process trust nobody: to read the system's authorities costs each 20 ms.

    Nothing here speaks TLS with a stranger; the tests of TLS name whom they trust.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)  # it goes before the folder
        patch.setenv("SSL_CERT_DIR", str(empty))
        yield


@contextmanager
def unhurried_rounds() -> Iterator[None]:
    """Let a round of dispatch take its turns however slow the machine is: a test counts what one round reserves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes, "ROUND_SECONDS", 3600.0)
        yield


class _Prompt(ModuleType):
    """asyncio without long pauses."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.01))


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Let the many servers of this process stop at once.

    uvicorn looks every 100 ms whether it is to stop, and then waits as long again: longer than most tests take.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", _Prompt("asyncio"))
        yield


class _SharedStatements:
    """The statements of one engine that SQLAlchemy has written out; those of its database's kind are shared."""

    _known: ClassVar[LRUCache[tuple[Any, ...], Any]] = LRUCache(5000)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, key: tuple[Any, ...]) -> Any:
        return self._known.get(self._shared(key))

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        self._known[self._shared(key)] = compiled

    def _shared(self, key: tuple[Any, ...]) -> tuple[Any, ...]:
        dialect, *rest = key
        assert dialect is self._engine.dialect
        return dialect.name, *rest


@contextmanager
def sharing_statements() -> Iterator[None]:
    """Let the thousands of databases of this process, which live for one test each, share what SQLAlchemy has made of
    the statements: to write them out anew takes a fifth of the time of a test.
    """

    def create(*given: Any, **named: Any) -> Engine:
        engine = create_engine(*given, **named)
        engine._compiled_cache = _SharedStatements(engine)  # type: ignore[assignment]  # these two methods are all it asks
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "create_engine", create)
        yield


def share_routes(app: object) -> None:
    """Let all APIs of this process have the same routes: FastAPI reads a route's types again for each app, at its first
    request, and that takes longer than most tests.
    """
    assert isinstance(app, FastAPI)
    if _shared_routes:
        app.router.routes = _shared_routes
    else:
        _shared_routes.extend(app.router.routes)

"""What spares the tests time that says nothing of the product."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import uvicorn.server
from fastapi import FastAPI
from starlette.routing import BaseRoute

from jobs.dispatch import lanes

AUTHORITIES = {name: os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
"""Whom this machine trusts, for what a test starts that speaks with strangers; see `trusting_nobody`."""

_MEMORY = Path("/dev/shm")  # noqa: S108  # only a folder with a random name is made there
_ROOM_BYTES = 2 << 30

_shared_routes: list[BaseRoute] = []


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


def share_routes(app: object) -> None:
    """Let all APIs of this process have the same routes: FastAPI reads a route's types again for each app, at its first
    request, and that takes longer than most tests.
    """
    assert isinstance(app, FastAPI)
    if _shared_routes:
        app.router.routes = _shared_routes
    else:
        _shared_routes.extend(app.router.routes)

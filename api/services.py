"""The services that endpoints use: created once in `main.py`, injected from here."""

from dataclasses import dataclass
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from api.access.keyring import Keyring
from api.access.watch_limiter import WatchLimiter
from api.model_lists.upstream_models import Models
from api.status_publisher import StatusPublisher
from api.watching.hub import Hub
from api.watching.tails import Tails
from jobs.live.wake import Waker
from jobs.settings import Settings
from jobs.store.database import Database
from jobs.upstreams import UpstreamSource


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one API process."""

    settings: Settings
    database: Database
    waker: Waker
    status_publisher: StatusPublisher
    hub: Hub
    tails: Tails
    keyring: Keyring
    watch_limiter: WatchLimiter
    file_batches: CapacityLimiter
    """How many batches are made from files at once: each keeps one core busy."""
    large_batches: CapacityLimiter
    """How many batches with large bodies are stored at once."""
    models: Models
    upstreams: UpstreamSource


async def _services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services_of)]

"""The services that endpoints use: created once in `main.py`, injected from here."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar

from fastapi import Depends, Request

from api.access.budget import Budget
from api.access.keyring import Keyring
from api.access.turns import Turns
from api.access.watch_limiter import WatchLimiter
from api.http.errors import ApiError
from api.looks import Looks
from api.metrics.metrics import ApiMetrics
from api.model_lists.upstream_models import Models
from api.shared_reads import SharedReads
from api.shared_task import SharedTask
from api.status_publisher import StatusPublisher
from api.watching.hub import Hub
from api.watching.job_rows import JobRows
from api.watching.tails import Tails
from api.watching.watch_reads import WatchReads
from jobs.live.wake import Waker
from jobs.settings import Settings
from jobs.store.database import Database
from jobs.tokens import Tokenizers
from jobs.upstreams import UpstreamSource
from jobs.webhooks.lookups import Lookups

P = ParamSpec("P")
R = TypeVar("R")


LARGE_BODY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one API process."""

    settings: Settings
    database: Database
    waker: Waker
    status_publisher: StatusPublisher
    hub: Hub
    tails: Tails
    rows: JobRows
    keyring: Keyring
    watch_limiter: WatchLimiter
    body_budget: Budget
    answer_budget: Budget
    upload_budget: Budget
    file_batches: Turns
    """How many batches are made from files at once: each keeps one core busy."""
    small_files: Turns
    """The same for files that take a second at most: they do not wait for the others."""
    large_batches: Turns
    """How many batches with large bodies are stored at once."""
    large_bodies: Turns
    """How many other large bodies are checked at once: that takes milliseconds of the interpreter's time."""
    listings: WatchReads
    """How many batches are listed to their watchers at once, each by 500 jobs: others need the interpreter too."""
    writes: Turns
    """How many requests write at once, or check what is submitted (a schema may take seconds), in separate threads:
    while a database takes no writes, reads go on."""
    watch_reads: WatchReads
    """What watches read of jobs and of their texts."""
    downloads: Turns
    """How many pieces of downloads are made at once: each takes milliseconds of the interpreter's time."""
    searches: Turns
    """How many searches for a text run at once: on SQLite the interpreter looks through each text."""
    uploads: Turns
    """How many pieces of uploads are read at once: that takes milliseconds of the interpreter's time."""
    large_reads: Turns
    """How many jobs with long requests are read and written out at once."""
    reads: Turns
    """How many requests read at once, in threads of their own: what one project reads leaves the others room."""
    overviews: SharedReads[bytes]
    """The answers of `GET /v1/status`: each reads the rows of a whole."""
    lookups: Lookups
    models: Models
    upstreams: UpstreamSource
    tokenizers: Tokenizers
    metrics: ApiMetrics
    looks: Looks
    readiness: SharedTask[dict[str, Any]]
    """The look of `/readyz`: it costs much, and needs no key."""
    metrics_page: SharedTask[bytes]
    """The page of `/metrics`: it takes long, and any program on this machine may ask."""
    description: SharedTask[bytes]
    """The description of the API: forty threads that made it at once stopped everybody for 13 s."""

    def turns_of(self, body: bytes) -> Turns:
        """Where a request with this body is checked and stored."""
        return self.large_bodies if len(body) > LARGE_BODY else self.writes


def require_open(services: Services) -> None:
    """Refuse a new watch while the server goes down. Raises `ApiError`."""
    if services.hub.closed:
        raise ApiError(503, "shutting_down", "this server is going down: come back", headers={"Retry-After": "1"})


def writing(endpoint: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Let an endpoint that writes run in the threads for that; it has a parameter `services`."""
    return _in_turns(endpoint, lambda services, body: services.turns_of(body))


def reading(endpoint: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """The same for an endpoint that reads."""
    return _in_turns(endpoint, lambda services, _: services.reads)


def _in_turns(
    endpoint: Callable[P, R], turns_of: Callable[[Services, bytes], Turns]
) -> Callable[P, Coroutine[Any, Any, R]]:
    @wraps(endpoint)
    async def run(*arguments: P.args, **keywords: P.kwargs) -> R:
        services = keywords["services"]
        assert isinstance(services, Services)  # noqa: S101  # FastAPI gives each endpoint its parameters by name
        body = keywords.get("body", b"")
        assert isinstance(body, bytes)  # noqa: S101  # likewise
        return await turns_of(services, body).run(endpoint, *arguments, **keywords)

    return run


async def _services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services_of)]

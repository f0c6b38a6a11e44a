"""Path and query parameters, read strictly: unknown names are refused."""

import re
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api.http.errors import ApiError
from api.schemas.errors import ERROR_RESPONSES
from jobs.model.ids import time_of_id
from jobs.model.status import JobStatus
from jobs.store.search import JobFilter

METADATA = "metadata."
_AZURE_VERSION = "api-version"
"""Clients made for Azure send it with every request; it says nothing that matters here."""
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_MOST_PAIRS = 16
_FIRST_ID = datetime(2020, 1, 1, tzinfo=UTC)
"""No id is older than Longhand."""
_CLOCKS_APART = timedelta(days=1)
_ID = re.compile(r"[a-z]+_[0-9a-z]+")
_LONGEST_ID = 64
LONGEST_SEARCH = 1000
"""Of `q`, in characters: SQLite takes no pattern of more than 50,000 bytes, and a search reads it for each text."""
_LONGEST_VALUE = 2000
"""Of any other query parameter, in characters: no name, key or value that could be found is longer."""
_LONGEST_VALUES = {"q": LONGEST_SEARCH, "last_event_id": 8192}

JobId = Annotated[str, Path(description="The id of a job, `job_...`.")]
BatchId = Annotated[str, Path(description="The id of a batch, `batch_...`.")]
FileId = Annotated[str, Path(description="The id of a file, `file_...`.")]
_NO_BATCH = "none"
_AFTER = Query(description="Begin after the item with this id: the `last_id` of the page before.")


def _after(kind: str) -> Callable[[str | None], Awaitable[str | None]]:
    async def read(after: Annotated[str | None, _AFTER] = None) -> str | None:
        return _check_made("after", check_id("after", after, kind), kind)

    return read


AfterJob = Annotated[str | None, Depends(_after("job"))]
AfterBatch = Annotated[str | None, Depends(_after("batch"))]
AfterFile = Annotated[str | None, Depends(_after("file"))]
AfterEvent = Annotated[str | None, Depends(_after("evt"))]
Limit = Annotated[int, Query(ge=1, le=100, description="How many items.")]


async def strict_parameters(request: Request) -> None:
    """Refuse a query parameter that the endpoint does not know (a misspelt filter that is ignored lists everything),
    and an id that cannot be one.
    """
    route = request.scope["route"]
    known: set[str] = set()
    takes_metadata = False
    if isinstance(route, APIRoute):
        known = set(_query_names(route.dependant))
        takes_metadata = any(inner.call is read_filter for inner in route.dependant.dependencies)
    for name, value in request.query_params.multi_items():
        if name == _AZURE_VERSION:
            continue
        if name not in known and not (takes_metadata and name.startswith(METADATA)):
            advice = f"; known are {', '.join(sorted(known))}" if known else "; there are none here"
            raise ApiError(400, "unknown_parameter", f"{name[:64]}: unknown query parameter{advice}", param=name[:64])
        if "\x00" in name or "\x00" in value:
            raise ApiError(400, "invalid_value", f"{name[:64]!r}: must not hold NUL", param=name[:64])
        most = _LONGEST_VALUES.get(name, _LONGEST_VALUE)
        if max(len(name), len(value)) > most:
            message = f"{name[:64]}: must have at most {most} characters, not {max(len(name), len(value))}"
            raise ApiError(400, "invalid_value", message, param=name[:64])
    for name, value in request.path_params.items():
        if name.endswith("_id") and not is_id(value):
            raise ApiError.not_found(name.removesuffix("_id"), value)


def is_id(text: str) -> bool:
    """Whether this can be the id of anything."""
    return len(text) <= _LONGEST_ID and _ID.fullmatch(text) is not None


def check_id(name: str, value: str | None, kind: str) -> str | None:
    """An id of the query. A wrong one is refused: as a filter it would find nothing, and as the place where a page
    begins it might give the first page again, to a client that then pages for ever.
    """
    if value is None or (is_id(value) and value.startswith(f"{kind}_")):
        return value
    raise ApiError(
        400, "invalid_value", f"{name}: must be the id of a {kind}, {kind}_..., not {value[:60]!r}", param=name
    )


def _check_made(name: str, value: str | None, kind: str) -> str | None:
    """The id, if Longhand may have made it. The item may be deleted by now: a client can delete a page and still ask
    for the next one. Raises `ApiError` for an id that cannot exist: it would give the first page again and again.
    """
    made_at = time_of_id(value) if value is not None else None
    if value is None or (made_at is not None and _FIRST_ID <= made_at <= datetime.now(UTC) + _CLOCKS_APART):
        return value
    raise ApiError(400, "invalid_value", f"{name}: no {kind} has ever had the id {value[:60]!r}", param=name)


def _query_names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def v1_routes(tag: str) -> APIRouter:
    """Endpoints under `/v1` that refuse unknown parameters."""
    return APIRouter(prefix="/v1", tags=[tag], dependencies=[Depends(strict_parameters)], responses=ERROR_RESPONSES)


async def read_filter(
    request: Request,
    batch_id: Annotated[str | None, Query(description="Jobs of this batch; `none`: single jobs.")] = None,
    status: Annotated[JobStatus | None, Query(description="Jobs in this status.")] = None,
    model: Annotated[str | None, Query(description="Jobs for this model.")] = None,
    custom_id: Annotated[str | None, Query(description="Jobs with this `custom_id`.")] = None,
    created_after: Annotated[
        str | None, Query(description="Jobs created at this time or later: Unix seconds or ISO 8601.")
    ] = None,
    created_before: Annotated[str | None, Query(description="Jobs created before this time.")] = None,
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=LONGEST_SEARCH,
            description="Jobs whose text so far contains exactly this, ignoring case, or whose `custom_id` begins with"
            " it. Prompts are not searched. PostgreSQL takes the Greek σ and ς for two letters, SQLite for one.",
        ),
    ] = None,
) -> JobFilter:
    """The filter that the query asks for; `metadata.<key>=<value>` as often as wanted."""
    metadata = {
        name.removeprefix(METADATA): value
        for name, value in request.query_params.multi_items()
        if name.startswith(METADATA)
    }
    if len(metadata) > _MOST_PAIRS:
        message = f"{METADATA}: {len(metadata)} keys, and no job has more than {_MOST_PAIRS}"
        raise ApiError(400, "invalid_value", message, param=METADATA.rstrip("."))
    return JobFilter(
        batch_id=None if batch_id == _NO_BATCH else check_id("batch_id", batch_id, "batch"),
        alone=batch_id == _NO_BATCH,
        status=status,
        model=model,
        custom_id=custom_id,
        metadata=metadata,
        created_after=read_time(created_after, "created_after"),
        created_before=read_time(created_before, "created_before"),
        text=q,
    )


def read_time(value: str | None, name: str) -> datetime | None:
    """A time of the query."""
    if value is None:
        return None
    try:
        moment = _moment(value)
    except (ValueError, OverflowError, OSError):
        moment = None
    # The search looks a little before and after it, which must be times as well.
    if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        example = "Unix seconds (1767225600) or ISO 8601 (2026-01-01T00:00:00Z; no zone means UTC)"
        raise ApiError(400, "invalid_value", f"{name}: must be {example}, not {value[:60]!r}", param=name)
    return moment


def _moment(value: str) -> datetime:
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return datetime.fromtimestamp(float(value), UTC)
    # A plus sign in a query is a space.
    moment = datetime.fromisoformat(value.replace(" ", "+") if value.count(" ") == 1 and "T" in value else value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

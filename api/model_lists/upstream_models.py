"""The upstreams' models, as the upstreams themselves list them."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import httpcore
from fastapi.concurrency import run_in_threadpool

from api.access.turns import ASKING
from api.http.errors import ApiError
from api.model_lists.kept_lists import KeptLists, ModelList
from api.model_lists.model_lists import find_items
from api.model_lists.upstream_get import LONGEST_LIST, NO_ANSWER, UpstreamAnswer, UpstreamGet, why_unreached
from jobs.upstreams import Upstreams, UpstreamSource, UpstreamSpec

_SECONDS = 20.0
_LONGEST_NAME = 256
_LONGEST_MODEL = 64 << 10
"""In bytes, of what is said of one model: each who asks has it decoded on the event loop."""
_READS_AT_ONCE = 2
"""Of single models, for each project and upstream. An upstream that does not answer keeps nobody else waiting."""


class Models:
    """Asks the upstreams for their models; for their lists at most every half a minute."""

    def __init__(self, source: UpstreamSource) -> None:
        self._source = source
        self._clients: dict[str, UpstreamGet] = {}
        self._lists = KeptLists(self._read_items)
        self._asking: dict[tuple[str, str], asyncio.Semaphore] = {}

    async def read_list(self) -> ModelList:
        """One list of the models of all upstreams that answer. Raises `ApiError` when none does."""
        found = await self._lists.read(await self._current(), _too_late())
        if isinstance(found, ApiError):  # a new one: each raise adds to what an error remembers
            raise ApiError(found.status, found.code, found.message, param=found.param, headers=found.headers)
        return found

    async def read_one(self, model: str) -> dict[str, Any]:
        """What the first upstream that knows this model says of it. Raises `ApiError`."""
        if len(model) > _LONGEST_NAME or any(part in ("", ".", "..") for part in model.split("/")):
            raise _unknown_model()
        upstreams = await self._current()
        first_error: ApiError | None = None
        for spec in upstreams.for_model(model):
            name = spec.model_name(model)
            path = "/models/" + "/".join(quote(part, safe=":") for part in name.split("/"))
            try:
                found = await self._read_in_turn(spec, path)
            except ApiError as error:
                first_error = first_error or error
                continue
            if isinstance(found, dict):
                return {**found, "id": model} if name != model else found
        # Many servers list their models and know no address of a single one.
        try:
            listed = await self.read_list()
        except ApiError as error:
            raise first_error or error from None
        if model in listed.by_id:
            return listed.by_id[model]
        raise first_error or _unknown_model()

    async def close(self) -> None:
        """Give up every connection."""
        self._lists.close()
        for client in self._clients.values():
            await client.close()

    async def _current(self) -> Upstreams:
        upstreams = await run_in_threadpool(self._source.current)  # it may have to read a file
        if not upstreams.specs:
            raise ApiError(
                501,
                "upstream_not_set",
                "LONGHAND_UPSTREAM_URL is not set for this API process, so it cannot ask for the models: set it (and"
                " LONGHAND_UPSTREAM_API_KEY), or LONGHAND_UPSTREAMS, for the API as for the worker",
                headers={"x-should-retry": "false"},
            )
        return upstreams

    async def _read_items(self, spec: UpstreamSpec) -> list[dict[str, Any]] | ApiError:
        try:
            items = await run_in_threadpool(find_items, await self._read(spec, "/models", LONGEST_LIST))
        except ApiError as error:
            return _strange(404) if error.status == 404 else error  # of all models none was asked for
        return _strange(200) if items is None else items

    async def _read_in_turn(self, spec: UpstreamSpec, path: str) -> object:
        turn = self._asking.setdefault((ASKING.get(), spec.name), asyncio.Semaphore(_READS_AT_ONCE))
        try:
            async with asyncio.timeout(_SECONDS):
                await turn.acquire()
        except TimeoutError:
            raise _too_late() from None
        try:
            return await self._read(spec, path, _LONGEST_MODEL)
        finally:
            turn.release()

    async def _read(self, spec: UpstreamSpec, path: str, longest: int) -> object:
        try:
            async with asyncio.timeout(_SECONDS):
                return _judge(await self._client(spec).read(path, longest))
        except (httpcore.TimeoutException, TimeoutError):
            raise _too_late() from None
        except NO_ANSWER as error:
            said = f"the upstream cannot be asked for its models: {why_unreached(error)}"
            raise ApiError(502, "upstream_unreachable", said) from None

    def _client(self, spec: UpstreamSpec) -> UpstreamGet:
        """The client of this upstream. Where the upstream has changed, another takes its place. The one before keeps no
        connection, and is gone once it has answered those who ask it now.
        """
        client = self._clients.get(spec.name)
        if client is None or client.spec != spec:
            client = self._clients[spec.name] = UpstreamGet(spec)
        return client


def _judge(answer: UpstreamAnswer) -> object:
    """The answer as JSON. Raises `ApiError` when it is none, or a refusal."""
    if answer.body is None:
        raise _strange(answer.status)
    if answer.status == 404:
        raise _unknown_model()
    if answer.status == 429:
        wait = answer.retry_after
        headers = {"Retry-After": wait} if wait and wait.isascii() and wait.isprintable() else None
        raise ApiError(429, "rate_limit_exceeded", "the upstream asks to wait", headers=headers)
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise _strange(answer.status) from None
    if 200 <= answer.status < 300 and isinstance(content, (dict, list)):
        return content
    # What it says is not repeated: an upstream that refuses a key likes to quote it.
    raise _strange(answer.status)


def _unknown_model() -> ApiError:
    return ApiError(404, "model_not_found", "the upstream knows no such model", param="model")


def _too_late() -> ApiError:
    return ApiError(504, "upstream_timeout", f"the upstream did not answer within {_SECONDS:g} s")


def _strange(status: int) -> ApiError:
    kind = "refuses this service's key" if status in (401, 403) else f"answered {status} and no list of models"
    code = "upstream_unauthorized" if status in (401, 403) else "upstream_error"
    return ApiError(502, code, f"the upstream {kind}")

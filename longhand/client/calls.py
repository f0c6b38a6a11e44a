"""Requests as values: what to ask of Longhand, how to read the answer, and when to ask again. No I/O is done here.

Both clients send a `Call`; what they must agree on is here and in `following.py`.
"""

import json
import random
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

from longhand.client.answers import expecting, json_of, typed
from longhand.client.batch_objects import Batch
from longhand.client.errors import InputError, LonghandError, NoAnswerError, RefusedError, UnavailableError
from longhand.client.items import WrongItemError, as_body, as_item, ask, check_item
from longhand.client.objects import Job, Json

T = TypeVar("T")
TextKind = Literal["text", "reasoning"]
"""The two texts of a job."""

_SUBMIT_WAITS = (0.2, 0.5, 1.0, 2.0)
_PAGE = 100
# The fields that a batch has for all its jobs; all others belong in the bodies of its requests.
_OF_A_BATCH = frozenset({
    "completion_window", "expires_after", "metadata", "priority", "max_attempts", "on_interrupt", "max_concurrency",
    "upstream", "webhook", "accept", "on_reject", "max_repairs", "defaults", "on_length", "max_continuations",
    "endpoint", "output_expires_after",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request, and how to read its answer."""

    method: str
    path: str
    read: Callable[[bytes], T]
    params: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    waits: tuple[float, ...] = ()
    """Seconds to wait before each further try; empty for a request that must not be carried out twice."""
    again_after: tuple[type[LonghandError], ...] = (NoAnswerError,)
    """The errors after which another try makes sense."""

    def pause(self, error: LonghandError, wait: float) -> float:
        """How many seconds to wait after this error; raises it when another try would not help."""
        if not isinstance(error, self.again_after):
            raise error
        wished = error.retry_after_seconds if isinstance(error, RefusedError) else None
        return max(wait * random.uniform(0.75, 1.25), wished or 0.0)


def read_object(resource_id: str) -> Call[Any]:
    """A job or a batch: the id says which."""
    return _get(path_of(resource_id), read_json)


def read_job(job_id: str) -> Call[Job]:
    """One job."""
    return _get(path_of(job_id, "job"), read_json)


def read_batch(batch_id: str) -> Call[Batch]:
    """One batch."""
    return _get(path_of(batch_id, "batch"), read_json)


def read_text(job_id: str, *, partial: bool, part: TextKind = "text") -> Call[str]:
    """The stored text of one job, or its reasoning."""
    params = {"partial": "true"} if partial else {}
    if part != "text":
        params["part"] = part
    return _get(f"{path_of(job_id, 'job')}/text", lambda body: body.decode("utf-8", "replace"), params)


def read_upstreams() -> Call[Any]:
    """The upstreams, and what is wrong with the file of them."""
    return _get("/v1/upstreams", read_json)


def read_status() -> Call[Any]:
    """The state of the whole."""
    return _get("/v1/status", read_json)


def read_me() -> Call[Any]:
    """Whose key this is."""
    return _get("/v1/me", read_json)


def cancel(resource_id: str) -> Call[Any]:
    """Cancel a job or a batch. Cancelling twice changes nothing more, so a lost answer may be asked for again."""
    return Call("POST", f"{path_of(resource_id)}/cancel", read_json, waits=(0.0,))


def delete(resource_id: str) -> Call[Any]:
    """Delete an ended job or batch. Not sent twice: the second answer would be that there is none."""
    return Call("DELETE", path_of(resource_id), read_json)


def retry(resource_id: str, which: Iterable[str] | None) -> Call[Any]:
    """Run again what has failed. Not sent twice: the second answer would be that there is nothing to retry."""
    path = f"{path_of(resource_id)}/retry"
    if which is None:
        return Call("POST", path, read_json)
    if not resource_id.startswith("batch_"):
        raise InputError("`which` chooses among the jobs of a batch; one job is run again whatever its end was")
    return post_json(path, {"which": list(which)})


def post_json(path: str, body: Mapping[str, Any], waits: tuple[float, ...] = ()) -> Call[Any]:
    """Send an object of JSON, and read one."""
    headers = {"content-type": "application/json"}
    return Call("POST", path, read_json, content=json.dumps(body).encode(), headers=headers, waits=waits)


def submit_body(path: str, body: Mapping[str, Any], idempotency_key: str | None = None) -> Call[Any]:
    """Submit a body as it is. All tries send the same key and the same bytes: a try whose answer was lost may have been
    carried out, and the next one is then answered with what that one made.
    """
    headers = {"content-type": "application/json", "idempotency-key": idempotency_key or str(uuid.uuid4())}
    content = json.dumps(body, separators=(",", ":")).encode()
    again = (NoAnswerError, UnavailableError)
    return Call("POST", path, read_json, content=content, headers=headers, waits=_SUBMIT_WAITS, again_after=again)


def submit(
    work: str | Mapping[str, Any] | Iterable[str | Mapping[str, Any]], idempotency_key: str | None, fields: Json
) -> Call[Any]:
    """Submit one prompt or body as a job, or many as a batch. Raises `InputError`."""
    if isinstance(work, str | Mapping):
        try:
            item = _make_item(work, fields)
        except WrongItemError as error:
            raise InputError(str(error)) from None
        body = item["body"]
        if "custom_id" in item:
            body = {**body, "custom_id": item["custom_id"]}
        return submit_body("/v1/jobs", body, idempotency_key)
    around = {name: value for name, value in fields.items() if name in _OF_A_BATCH}
    inside = {name: value for name, value in fields.items() if name not in _OF_A_BATCH}
    if around.get("defaults", {}).get("model"):
        inside = {"model": around["defaults"]["model"], **inside}
    requests = []
    for place, request in enumerate(work):
        if isinstance(request, Mapping) and "role" in request:
            raise InputError('a list of messages is one request: give it as {"messages": [...]}')
        try:
            requests.append(_make_item(request, inside))
        except WrongItemError as error:
            raise InputError(f"item {place}: {error}") from None
    if not requests:
        raise InputError("there is nothing in it to submit")
    return submit_body("/v1/batches", {**around, "requests": requests}, idempotency_key)


class Pages(Generic[T]):
    """Goes through the pages of a list, of jobs or of batches."""

    def __init__(self, path: str, filters: Mapping[str, str], limit: int | None) -> None:
        self._path = path
        self._filters = filters
        self._left = limit
        self._after: dict[str, str] = {}
        self.more = limit is None or limit > 0

    def call(self) -> Call[Json]:
        """The next page."""
        size = _PAGE if self._left is None else min(self._left, _PAGE)
        return _get(self._path, read_json, {**self._filters, **self._after, "limit": str(size)})

    def take(self, page: Json) -> list[T]:
        """What a page that was received lists."""
        with expecting("page of a list"):
            found: list[T] = typed(page["data"], list)[: self._left]
            for one in found:
                typed(one, dict)
            self._after = {"after": typed(page["last_id"], str, None)} if found else {}
            self.more = bool(found) and typed(page["has_more"], bool)
        if self._left is not None:
            self._left -= len(found)
            self.more = self.more and self._left > 0
        return found


def read_results(batch_id: str, form: str, language: str = "en", name_by: str | None = None) -> Call[None]:
    """The results of a batch as a download; the body is to be streamed."""
    # What an older server does not know is left out where it is not needed.
    params = {"format": form} | ({"lang": language} if language != "en" else {})
    params |= {"name_by": name_by} if name_by else {}
    return _get(f"{path_of(batch_id, 'batch')}/results", lambda _: None, params)


def events_call(resource_id: str, params: Mapping[str, str], cursor: str) -> Call[None]:
    """The events of a job or a batch from a cursor on; the body is to be streamed."""
    headers = {"accept": "text/event-stream", **({"last-event-id": cursor} if cursor else {})}
    return Call("GET", f"{path_of(resource_id)}/events", lambda _: None, params, headers=headers)


def _make_item(work: str | Mapping[str, Any], fields: Json) -> Json:
    """One item of a batch, from a prompt, a body, or an item."""
    if isinstance(work, str):
        if not work.strip():
            raise WrongItemError("the prompt is empty")
        return check_item({"body": {"messages": ask(work)}}, fields)
    given = dict(work)
    item = as_item(given) if "custom_id" in given or "body" in given else {"body": given}
    return check_item({**item, "body": as_body(item["body"])}, fields)


def _get(path: str, read: Callable[[bytes], T], params: Mapping[str, str] | None = None) -> Call[T]:
    # The server may close a kept connection at the very moment it is used again. Asking twice is harmless.
    return Call("GET", path, read, params or {}, waits=(0.0,))


def read_json(body: bytes) -> Any:
    """The answer's JSON, an object. Raises `StrangeAnswerError`."""
    found = json_of(body)
    with expecting("object"):
        return typed(found, dict)


def path_of(resource_id: str, wanted: str = "") -> str:
    """The path of a job or a batch: the id says which. Raises `InputError`."""
    kind, _, rest = resource_id.partition("_")
    if kind not in ("job", "batch") or not rest:
        raise InputError(f"{resource_id!r} is not an id: ids begin with job_ or batch_")
    if wanted and kind != wanted:
        raise InputError(f"{resource_id!r} is not the id of a {wanted}, which begins with {wanted}_")
    return f"/v1/{'jobs' if kind == 'job' else 'batches'}/{quote(resource_id, safe='')}"

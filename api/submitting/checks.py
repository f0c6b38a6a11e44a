"""What is wrong with a submission, by field: the message says what, where, and what to do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import msgspec

from api.errors import ApiError
from api.submitting.bodies import job_limit, read_fields, read_value
from api.submitting.fields import (
    check_custom_id,
    check_expiry,
    check_integer,
    check_metadata,
    check_response_format,
    check_text,
    check_window,
    invalid,
    join,
    missing,
    unknown,
)
from api.submitting.slices import Slices, TooManyValuesError
from jobs.settings import Settings
from jobs.submission import NewJob

ENDPOINT = "/v1/chat/completions"
_JOB_FIELDS = frozenset({"custom_id", "metadata", "priority", "max_attempts", "on_interrupt"})
_BATCH_FIELDS = frozenset({"requests", "metadata", "completion_window", "priority", "max_attempts", "on_interrupt",
                           "endpoint", "output_expires_after"})  # fmt: skip
_FILE_BATCH_FIELDS = (_BATCH_FIELDS - {"requests"}) | {"input_file_id"}
_ITEM_MEANINGS = {
    "custom_id": "your own name for this line",
    "method": '"POST"',
    "url": f'"{ENDPOINT}"',
    "body": "a chat-completions body",
}
_ITEM_FIELDS = frozenset(_ITEM_MEANINGS)
_LONGEST_FILE_BATCH = 1_000_000
_MOST_BATCH_VALUES = 3_000_000
"""How many values all jobs of an inline batch may have, nested ones included: decoded, they take up to 300 MB."""
# Longhand asks for the stream and its usage itself.
_OURS = frozenset({"stream", "stream_options"})


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to submit."""

    jobs: list[NewJob]
    metadata: Mapping[str, str] = field(default_factory=dict)
    completion_window: str | None = None
    completion_seconds: float | None = None
    output_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class NewFileBatch:
    """A batch whose jobs are the lines of a file. `for_all` is what the batch says of each of them."""

    input_file_id: str
    for_all: NewJob
    metadata: Mapping[str, str]
    completion_window: str | None
    completion_seconds: float | None
    output_seconds: int | None


def check_job(body: bytes, for_all: NewJob | None = None) -> NewJob:
    """The job that a chat-completions body asks for; `for_all` has what holds where it says nothing."""
    return _read_job(read_fields(body), "", for_all or NewJob(request={}))


def check_batch(body: bytes, settings: Settings) -> NewBatch:
    """The batch that the body of `POST /v1/batches` asks for: every item of it is good, or none is taken."""
    fields, items = _cut(body, settings.max_batch_jobs)
    if "input_file_id" in fields:
        raise invalid("input_file_id", "give either `requests` or `input_file_id`, not both")
    if items is None:
        raise missing("requests", 'a list of {"custom_id", "body"}')
    if not items:
        raise invalid("requests", "must have at least one item")
    terms = _read_terms(fields)
    jobs = list(_read_items(items, terms.for_all, *job_limit(settings)))
    return NewBatch(jobs, terms.metadata, terms.completion_window, terms.completion_seconds, terms.output_seconds)


def _cut(body: bytes, max_jobs: int) -> tuple[dict[str, msgspec.Raw], list[memoryview] | None]:
    """The fields beside `requests`, and its items, all as they came."""
    fields: dict[str, msgspec.Raw] = {}
    items: list[memoryview] | None = None
    slices = Slices(body, _MOST_BATCH_VALUES)
    try:
        if not slices.is_at(b"{"):
            raise ApiError(400, "invalid_type", "the body: must be an object")
        for name in slices.fields():
            _refuse_unknown([name], _BATCH_FIELDS | {"input_file_id"}, "")
            if name in fields or (name == "requests" and items is not None):
                raise invalid(name, "comes twice")
            if name != "requests":
                fields[name] = msgspec.Raw(slices.value())
            elif slices.is_at(b"["):
                items = _cut_items(slices, max_jobs)
            else:
                raise ApiError(400, "invalid_type", "requests: must be a list", param="requests")
        slices.require_end()
    except TooManyValuesError:
        raise ApiError(413, "too_many_values", f"the body: has more than {_MOST_BATCH_VALUES} values; upload the"
                       " requests as a file (POST /v1/files), or split the batch") from None  # fmt: skip
    except ValueError as error:
        raise ApiError(400, "invalid_json", f"the body: not valid JSON: {error}") from None
    return fields, items


def _cut_items(slices: Slices, max_jobs: int) -> list[memoryview]:
    items = list(islice(slices.items(), max_jobs + 1))
    if len(items) > max_jobs:
        raise ApiError(
            413, "batch_too_large", f"requests: has more than {max_jobs} items (LONGHAND_MAX_BATCH_JOBS): split it",
            param="requests",
        )  # fmt: skip
    return items


def names_file(body: bytes) -> bool:
    """Whether the body of `POST /v1/batches` names a file rather than holding the requests themselves."""
    if len(body) > _LONGEST_FILE_BATCH or b"input_file_id" not in body:
        return False
    fields = read_fields(body)
    return "input_file_id" in fields and "requests" not in fields


def check_file_batch(body: bytes) -> NewFileBatch:
    """The batch that the body of `POST /v1/batches` asks for, when it names a file."""
    fields = read_fields(body)
    _refuse_unknown(fields, _FILE_BATCH_FIELDS, "")
    return _read_terms(fields)


def _read_terms(fields: dict[str, msgspec.Raw]) -> NewFileBatch:
    _expect(fields, "endpoint", ENDPOINT, "")
    window = _read(fields, "completion_window", "")
    seconds = None if window is None else check_window(window)
    outputs = _read(fields, "output_expires_after", "")
    # What the batch says of all its jobs, a job's own body may say otherwise.
    for_all = _own_fields(fields, "", NewJob(request={}))
    metadata, for_all = for_all.metadata, replace(for_all, metadata={})
    input_file_id = _read(fields, "input_file_id", "")
    if input_file_id is not None and not isinstance(input_file_id, str):
        raise invalid("input_file_id", "must be the id of an uploaded file")
    return NewFileBatch(input_file_id or "", for_all, metadata, window, seconds, check_expiry(outputs))


def _read_items(items: list[memoryview], for_all: NewJob, longest: int, advice: str) -> Iterator[NewJob]:
    place_of: dict[str, int] = {}
    for place, item in enumerate(items):
        where = f"requests[{place}]"
        if len(item) > longest:
            raise ApiError(413, "job_too_large", f"{where}: is larger than {longest} bytes, the most that is taken"
                           f" {advice}", param=where)  # fmt: skip
        job = check_item(read_fields(bytes(item), where), where, for_all)
        if job.custom_id is not None and place_of.setdefault(job.custom_id, place) != place:
            raise invalid(f"{where}.custom_id", f"is the same as that of requests[{place_of[job.custom_id]}]")
        yield job


def check_item(
    fields: dict[str, msgspec.Raw], where: str, for_all: NewJob, *, required: Sequence[str] = ("body",)
) -> NewJob:
    """The job of one item of `requests`, or of one line of a file."""
    _refuse_unknown(fields, _ITEM_FIELDS, where)
    for name in required:
        if name not in fields:
            raise missing(join(where, name), _ITEM_MEANINGS[name])
    _expect(fields, "method", "POST", where)
    _expect(fields, "url", ENDPOINT, where)
    at = join(where, "body")
    body = read_fields(fields["body"], at)
    if "custom_id" in body:
        raise invalid(f"{at}.custom_id", "belongs beside `body`, not into it")
    custom_id = check_custom_id(_read(fields, "custom_id", where), join(where, "custom_id"))
    if custom_id is None and "custom_id" in required:
        raise invalid(join(where, "custom_id"), "must be a text, your own name for this line")
    return replace(_read_job(body, at, for_all), custom_id=custom_id)


def _read_job(fields: dict[str, msgspec.Raw], where: str, for_all: NewJob) -> NewJob:
    own = _own_fields(fields, where, for_all)
    request = {name: read_value(text, join(where, name)) for name, text in fields.items() if name not in _JOB_FIELDS}
    _check_request(request, where)
    return replace(own, request={name: value for name, value in request.items() if name not in _OURS})


def _own_fields(fields: dict[str, msgspec.Raw], where: str, for_all: NewJob) -> NewJob:
    """What Longhand takes out of a body for itself. A null is as good as nothing."""
    own: dict[str, Any] = {}
    for name in _JOB_FIELDS & fields.keys():
        value, at = _read(fields, name, where), join(where, name)
        if value is None:
            continue
        match name:
            case "custom_id":
                own[name] = check_custom_id(value, at)
            case "metadata":
                own[name] = check_metadata(value, at)
            case "priority":
                own[name] = check_integer(value, at, -100, 100)
            case "max_attempts":
                own[name] = check_integer(value, at, 1, 20)
            case _:
                if value not in ("restart", "continue"):
                    raise invalid(at, 'must be "restart" or "continue"')
                own[name] = value
    return replace(for_all, **own)


def _check_request(request: dict[str, Any], where: str) -> None:
    model, messages = request.get("model"), request.get("messages")
    if model is None:
        raise missing(join(where, "model"), "the name of the model that is to write")
    check_text(model, join(where, "model"), 256)
    if messages is None:
        raise missing(join(where, "messages"), 'a list such as [{"role": "user", "content": "..."}]')
    if not isinstance(messages, list) or not messages:
        raise invalid(join(where, "messages"), "must be a list with at least one message")
    for place, message in enumerate(messages):
        at = join(where, f"messages[{place}]")
        if not isinstance(message, dict):
            raise invalid(at, 'must be an object such as {"role": "user", "content": "..."}')
        if not isinstance(message.get("role"), str) or not message["role"]:
            raise invalid(f"{at}.role", 'must be a text such as "user"')
    if not isinstance(request.get("stream") or False, bool):
        raise invalid(join(where, "stream"), "must be true or false (Longhand always streams)")
    check_response_format(request.get("response_format"), join(where, "response_format"))
    _refuse_undeliverable(request, where)


def _refuse_undeliverable(request: dict[str, Any], where: str) -> None:
    """Refuse by name what would change the answer into something that a job's text cannot hold."""
    if request.get("n") not in (None, 1) or isinstance(request.get("n"), bool):
        raise invalid(join(where, "n"), "must be 1: a job has one text; submit one job for each", "unsupported_value")
    for name in ("tools", "functions"):
        if request.get(name) not in (None, []):
            raise invalid(join(where, name), "calls cannot be delivered: a job's result is text", "unsupported_value")
    if request.get("logprobs") not in (None, False):
        raise invalid(join(where, "logprobs"), "cannot be delivered: leave it out", "unsupported_value")
    if request.get("modalities") not in (None, ["text"]) or request.get("audio") is not None:
        name = "modalities" if request.get("modalities") not in (None, ["text"]) else "audio"
        raise invalid(join(where, name), "only text can be delivered", "unsupported_value")


def _read(fields: dict[str, msgspec.Raw], name: str, where: str) -> Any:
    return read_value(fields[name], join(where, name)) if name in fields else None


def _expect(fields: dict[str, msgspec.Raw], name: str, only: str, where: str) -> None:
    if _read(fields, name, where) not in (None, only):
        raise invalid(join(where, name), f'must be "{only}"')


def _refuse_unknown(fields: Iterable[str], known: frozenset[str], where: str) -> None:
    for name in fields:
        if name not in known:
            raise unknown(join(where, name[:64]), known)

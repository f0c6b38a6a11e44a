"""What is wrong with a submission, by field: the message says what, where, and what to do."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from api.bodies import read_fields, read_items, read_value
from api.errors import ApiError
from jobs.submission import NewJob

ENDPOINT = "/v1/chat/completions"
_JOB_FIELDS = frozenset({"custom_id", "metadata", "priority", "max_attempts", "on_interrupt"})
_BATCH_FIELDS = frozenset({"requests", "metadata", "completion_window", "priority", "max_attempts", "on_interrupt",
                           "endpoint"})  # fmt: skip
_ITEM_FIELDS = frozenset({"custom_id", "body", "method", "url"})
# Longhand asks for the stream and its usage itself.
_OURS = frozenset({"stream", "stream_options"})
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_WINDOW = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_WINDOW_SECONDS = 366 * 86400


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to submit."""

    jobs: list[NewJob]
    metadata: Mapping[str, str] = field(default_factory=dict)
    completion_window: str | None = None
    completion_seconds: float | None = None


def check_job(body: bytes) -> NewJob:
    """The job that the body of `POST /v1/jobs` asks for."""
    return _read_job(read_fields(body), "", NewJob(request={}))


def check_batch(body: bytes, max_jobs: int) -> NewBatch:
    """The batch that the body of `POST /v1/batches` asks for: every item of it is good, or none is taken."""
    fields = read_fields(body)
    if "input_file_id" in fields:
        raise _invalid("input_file_id", "files are not taken yet: send the lines of the file as `requests`")
    _refuse_unknown(fields, _BATCH_FIELDS, "")
    if "requests" not in fields:
        raise _missing("requests", 'a list of {"custom_id", "body"}')
    items = read_items(fields["requests"], "requests")
    if not items:
        raise _invalid("requests", "must have at least one item")
    if len(items) > max_jobs:
        raise ApiError(
            413, "batch_too_large", f"requests: {len(items)} items, and a batch takes {max_jobs}: split it",
            param="requests",
        )  # fmt: skip
    _expect(fields, "endpoint", ENDPOINT, "")
    window = _read(fields, "completion_window", "")
    seconds = None if window is None else _check_window(window)
    # What the batch says of all its jobs, a job's own body may say otherwise.
    common = _own_fields(fields, "", NewJob(request={}))
    metadata, common = common.metadata, replace(common, metadata={})
    new_jobs = list(_read_items(items, common))
    return NewBatch(new_jobs, metadata, window, seconds)


def _read_items(items: list[msgspec.Raw], common: NewJob) -> Iterator[NewJob]:
    place_of: dict[str, int] = {}
    for place, item in enumerate(items):
        where = f"requests[{place}]"
        fields = read_fields(item, where)
        _refuse_unknown(fields, _ITEM_FIELDS, where)
        _expect(fields, "method", "POST", where)
        _expect(fields, "url", ENDPOINT, where)
        if "body" not in fields:
            raise _missing(f"{where}.body", "a chat-completions body")
        body = read_fields(fields["body"], f"{where}.body")
        if "custom_id" in body:
            raise _invalid(f"{where}.body.custom_id", "belongs beside `body`, not into it")
        custom_id = _check_custom_id(_read(fields, "custom_id", where), f"{where}.custom_id")
        if custom_id is not None and place_of.setdefault(custom_id, place) != place:
            raise _invalid(f"{where}.custom_id", f"is the same as that of requests[{place_of[custom_id]}]")
        yield replace(_read_job(body, f"{where}.body", common), custom_id=custom_id)


def _read_job(fields: dict[str, msgspec.Raw], where: str, common: NewJob) -> NewJob:
    own = _own_fields(fields, where, common)
    request = {name: read_value(text, _join(where, name)) for name, text in fields.items() if name not in _JOB_FIELDS}
    _check_request(request, where)
    return replace(own, request={name: value for name, value in request.items() if name not in _OURS})


def _own_fields(fields: dict[str, msgspec.Raw], where: str, common: NewJob) -> NewJob:
    """What Longhand takes out of a body for itself. A null is as good as nothing."""
    own: dict[str, Any] = {}
    for name in _JOB_FIELDS & fields.keys():
        value, at = _read(fields, name, where), _join(where, name)
        if value is None:
            continue
        match name:
            case "custom_id":
                own[name] = _check_custom_id(value, at)
            case "metadata":
                own[name] = _check_metadata(value, at)
            case "priority":
                own[name] = _check_integer(value, at, -100, 100)
            case "max_attempts":
                own[name] = _check_integer(value, at, 1, 20)
            case _:
                if value not in ("restart", "continue"):
                    raise _invalid(at, 'must be "restart" or "continue"')
                own[name] = value
    return replace(common, **own)


def _check_request(request: dict[str, Any], where: str) -> None:
    model, messages = request.get("model"), request.get("messages")
    if model is None:
        raise _missing(_join(where, "model"), "the name of the model that is to write")
    _check_text(model, _join(where, "model"), 256)
    if messages is None:
        raise _missing(_join(where, "messages"), 'a list such as [{"role": "user", "content": "..."}]')
    if not isinstance(messages, list) or not messages:
        raise _invalid(_join(where, "messages"), "must be a list with at least one message")
    for place, message in enumerate(messages):
        at = _join(where, f"messages[{place}]")
        if not isinstance(message, dict):
            raise _invalid(at, 'must be an object such as {"role": "user", "content": "..."}')
        if not isinstance(message.get("role"), str) or not message["role"]:
            raise _invalid(f"{at}.role", 'must be a text such as "user"')
    if not isinstance(request.get("stream") or False, bool):
        raise _invalid(_join(where, "stream"), "must be true or false (Longhand always streams)")
    _refuse_undeliverable(request, where)


def _refuse_undeliverable(request: dict[str, Any], where: str) -> None:
    """Refuse by name what would change the answer into something that a job's text cannot hold."""
    if request.get("n") not in (None, 1) or isinstance(request.get("n"), bool):
        raise _invalid(_join(where, "n"), "must be 1: a job has one text; submit one job for each", "unsupported_value")
    for name in ("tools", "functions"):
        if request.get(name) not in (None, []):
            raise _invalid(_join(where, name), "calls cannot be delivered: a job's result is text", "unsupported_value")
    if request.get("logprobs") not in (None, False):
        raise _invalid(_join(where, "logprobs"), "cannot be delivered: leave it out", "unsupported_value")
    if request.get("modalities") not in (None, ["text"]) or request.get("audio") is not None:
        name = "modalities" if request.get("modalities") not in (None, ["text"]) else "audio"
        raise _invalid(_join(where, name), "only text can be delivered", "unsupported_value")


def _check_metadata(value: Any, at: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _invalid(at, "must be an object of texts")
    if len(value) > 16:
        raise _invalid(at, f"has {len(value)} pairs, and 16 are allowed")
    for key, text in value.items():
        _check_text(key, at, 64, what="a key")
        _check_text(text, f"{at}.{key[:64]}", 512, empty=True)
    return value


def _check_custom_id(value: Any, at: str) -> str | None:
    return None if value is None else _check_text(value, at, 512)


def _check_text(value: Any, at: str, longest: int, *, empty: bool = False, what: str = "") -> str:
    what = f"{what} " if what else ""
    if not isinstance(value, str):
        raise _invalid(at, f"{what}must be a text")
    if not value and not empty:
        raise _invalid(at, f"{what}must not be empty")
    if len(value) > longest:
        raise _invalid(at, f"{what}is {len(value)} characters long, and {longest} are allowed")
    if _UNSTORABLE.search(value):
        # PostgreSQL refuses both; in messages they are fine, because those are stored as JSON.
        raise _invalid(at, f"{what}must not hold NUL or half a surrogate pair")
    return value


def _check_integer(value: Any, at: str, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _invalid(at, f"must be a whole number from {least} to {most}")
    return value


def _check_window(value: Any) -> float:
    match = _WINDOW.fullmatch(value) if isinstance(value, str) else None
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= _LONGEST_WINDOW_SECONDS:
        raise _invalid("completion_window", 'must be a time such as "30m", "24h" or "7d", at most a year')
    return seconds


def _read(fields: dict[str, msgspec.Raw], name: str, where: str) -> Any:
    return read_value(fields[name], _join(where, name)) if name in fields else None


def _expect(fields: dict[str, msgspec.Raw], name: str, only: str, where: str) -> None:
    if _read(fields, name, where) not in (None, only):
        raise _invalid(_join(where, name), f'must be "{only}"')


def _refuse_unknown(fields: dict[str, msgspec.Raw], known: frozenset[str], where: str) -> None:
    for name in fields:
        if name not in known:
            raise ApiError(
                400, "unknown_parameter", f"{_join(where, name[:64])}: unknown; known are {', '.join(sorted(known))}",
                param=_join(where, name[:64]),
            )  # fmt: skip


def _invalid(param: str, message: str, code: str = "invalid_value") -> ApiError:
    return ApiError(400, code, f"{param}: {message}", param=param)


def _missing(param: str, what: str) -> ApiError:
    return ApiError(400, "missing_required_parameter", f"{param}: is missing; it is {what}", param=param)


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name

"""What is wrong with one job of a submission, by field: the message says what, where, and what to do."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from api.http.errors import ApiError
from api.submitting.bodies import read_field, read_fields, read_value
from api.submitting.fields import (
    check_accept,
    check_cells,
    check_choice,
    check_custom_id,
    check_integer,
    check_metadata,
    check_response_format,
    check_retention,
    check_text,
    invalid,
    join,
    missing,
)
from api.submitting.response_input import Reference
from api.submitting.response_request import read_response_line
from jobs.acceptance.rules import ON_REJECT
from jobs.inputs.dialects import ENDPOINT, RESPONSES, read_request, read_response_request, with_texts_as_metadata
from jobs.inputs.mistakes import MistakeError, Notes
from jobs.intake.submission import NewJob
from jobs.strict_json import dump_json

CONTINUATIONS, MOST_CONTINUATIONS = 8, 100
"""How often the rest of a text is asked for if nothing else is said, and at the most."""

_JOB_FIELDS: dict[str, Callable[[Any, str], Any]] = {
    "custom_id": check_custom_id,
    "metadata": check_metadata,
    "priority": lambda value, at: check_integer(value, at, -100, 100),
    "max_attempts": lambda value, at: check_integer(value, at, 1, 20),
    "on_interrupt": lambda value, at: check_choice(value, at, ("restart", "continue")),
    "on_length": lambda value, at: check_choice(value, at, ("stop", "continue")),
    "max_continuations": lambda value, at: check_integer(value, at, 1, MOST_CONTINUATIONS),
    "upstream": lambda value, at: check_text(value, at, 64),
    "accept": check_accept,
    "on_reject": lambda value, at: check_choice(value, at, ON_REJECT),
    "max_repairs": lambda value, at: check_integer(value, at, 1, 20),
}
"""What Longhand takes out of a body for itself, and how each is checked."""

_OF_A_BATCH = frozenset({
    "completion_window", "defaults", "endpoint", "expires_after", "input_file_id", "max_concurrency",
    "output_expires_after", "requests", "webhook",
})  # fmt: skip
"""What only a batch has. `input` is not among these: a body for Responses has one, too."""

# Longhand asks for the stream and its usage itself.
_OURS = frozenset({"stream", "stream_options"})

Merge = Callable[[dict[str, msgspec.Raw], str], dict[str, msgspec.Raw]]
"""Puts a body over the defaults of its batch; the text is where the body stands."""


def check_job(body: bytes, defaults: NewJob | None = None) -> NewJob:
    """The job that a chat-completions body asks for; `defaults` has what holds where it says nothing."""
    fields = read_fields(body)
    kept = check_retention(read_field(fields, "expires_after"))
    fields.pop("expires_after", None)
    return replace(_read_job(fields, "", defaults or NewJob(request={})), retention=kept)


def check_item(
    fields: dict[str, msgspec.Raw],
    where: str,
    defaults: NewJob,
    notes: Notes,
    line: int | None,
    *,
    of_file: bool = False,
    needs_custom_id: bool = False,
    endpoint: str = ENDPOINT,
    merge: Merge | None = None,
) -> NewJob:
    """The job of one item of `requests`, or of one line of a file: a program has written the first, and anything may
    have written the second. `merge` puts the body over what the batch states for all.
    """
    cells = check_cells(read_field(fields, "cells", where), join(where, "cells")) if "body" in fields else None
    if "body" in fields:
        fields = {name: value for name, value in fields.items() if name != "cells"}
    try:
        read = read_response_request if endpoint == RESPONSES else read_request
        given, body = read(fields, _Undecoded(), notes, line, where=where)
        if of_file:
            body = with_texts_as_metadata(body, _Undecoded(), notes, line)
    except MistakeError as mistake:
        raise ApiError(400, mistake.code, _named(mistake), param=mistake.param) from None
    at = join(where, "custom_id")
    if given is None and needs_custom_id:
        what = "your own name for this line"
        raise invalid(at, f"must be a text, {what}") if "custom_id" in fields else missing(at, what)
    custom_id = check_custom_id(given, at)
    inside = join(where, "body") if "body" in fields else where
    if "custom_id" in body:
        raise invalid(join(inside, "custom_id"), "belongs beside `body`, not into it")
    refuse_what_only_a_batch_has(body, inside)
    if merge is not None:
        body = merge(body, inside)
    read_body = _read_response_job if endpoint == RESPONSES else _read_job
    return replace(read_body(body, inside, defaults), custom_id=custom_id, cells=cells)


def refuse_what_only_a_batch_has(fields: Iterable[str], where: str) -> None:
    """Refuse what would go to the upstream with each request, and do nothing of what it says."""
    for name in fields:
        if name in _OF_A_BATCH:
            raise invalid(join(where, name), "is for the whole batch: put it beside `requests` or `input_file_id`")


class _Undecoded:
    """The values of an item that are still the text that came."""

    def read(self, value: msgspec.Raw, param: str) -> Any:
        return read_value(value, param)

    def fields(self, value: msgspec.Raw, param: str) -> dict[str, msgspec.Raw]:
        return read_fields(value, param)

    def make(self, value: Any) -> msgspec.Raw:
        return msgspec.Raw(dump_json(value).encode())


def _named(mistake: MistakeError) -> str:
    """What is wrong, with the field at fault before it, as all refusals have it."""
    return str(mistake) if str(mistake).startswith(f"{mistake.param}:") else f"{mistake.param}: {mistake}"


def _read_job(fields: dict[str, msgspec.Raw], where: str, defaults: NewJob) -> NewJob:
    own = own_fields(fields, where, defaults)
    request = {name: read_value(text, join(where, name)) for name, text in fields.items() if name not in _JOB_FIELDS}
    if request.get("model") is None and "model" in defaults.request:
        request["model"] = defaults.request["model"]
    _check_request(request, where)
    return replace(own, request={name: value for name, value in request.items() if name not in _OURS})


def _read_response_job(fields: dict[str, msgspec.Raw], where: str, defaults: NewJob) -> NewJob:
    """The job of a body for Responses, with what the client asked for, in which the result is shown again."""
    own = own_fields(fields, where, defaults)
    ours = _JOB_FIELDS.keys() - {"metadata"}
    given = {name: read_value(text, join(where, name)) for name, text in fields.items() if name not in ours}
    if given.get("model") is None and "model" in defaults.request:
        given["model"] = defaults.request["model"]
    try:
        request = read_response_line(given)
        messages = [item for item in request.items if not isinstance(item, Reference)]
        chat = {name: value for name, value in request.chat_body(messages).items() if name != "metadata"}
        _check_request(chat, "")
    except ApiError as error:
        at, message = join(where, error.param or ""), error.message
        raise ApiError(error.status, error.code, join(where, message), param=at, headers=error.headers) from None
    return replace(own, request=chat, response={**request.kept(), "model": chat["model"]})


def own_fields(fields: dict[str, msgspec.Raw], where: str, defaults: NewJob) -> NewJob:
    """What Longhand takes out of a body for itself. A null is as good as nothing, except for `accept`: that text is not
    checked, whatever the batch asks of the others.
    """
    own: dict[str, Any] = {}
    for name in _JOB_FIELDS.keys() & fields.keys():
        value, at = read_field(fields, name, where), join(where, name)
        if value is not None:
            own["only_upstream" if name == "upstream" else name] = _JOB_FIELDS[name](value, at)
        elif name == "accept":
            own[name] = None
    if own.keys() & {"on_length", "max_continuations"}:
        own["max_continuations"] = _read_continuations(own, where, defaults)
        own.pop("on_length", None)
    return replace(defaults, **own)


def _read_continuations(own: Mapping[str, Any], where: str, defaults: NewJob) -> int | None:
    """How often the rest of a text is asked for; None: not at all."""
    on_length, most = own.get("on_length"), own.get("max_continuations")
    if most is not None and on_length != "continue" and defaults.max_continuations is None:
        raise invalid(join(where, "max_continuations"), 'needs `on_length: "continue"`')
    if on_length == "stop":
        return None
    return most or defaults.max_continuations or CONTINUATIONS


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
    """Refuse by name what would change the answer into something that a job cannot hold."""
    if request.get("n") not in (None, 1) or isinstance(request.get("n"), bool):
        reason = "must be 1: a job has one answer. For n answers submit the same request n times, best as one batch"
        raise invalid(join(where, "n"), reason, "unsupported_value")
    if request.get("modalities") not in (None, ["text"]) or request.get("audio") is not None:
        name = "modalities" if request.get("modalities") not in (None, ["text"]) else "audio"
        raise invalid(join(where, name), "only text can be delivered", "unsupported_value")


def require_same_columns(first: NewJob, job: NewJob, where: str) -> None:
    """Refuse a job whose cells have other columns than those of the first one of its batch: they are one table."""
    if list(first.cells or ()) != list(job.cells or ()):
        raise invalid(join(where, "cells"), "has other columns than the first request: a batch is one table")

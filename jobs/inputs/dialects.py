"""Reads one request as it is meant, whichever form it is written in.

Forms: a line of an OpenAI batch file (`custom_id`, `method`, `url`, `body`), which Azure, Mistral, Together and others
write a little differently; or a bare body with `messages` or a `prompt`. What a body means is not looked at here.

The values may be decoded or still be JSON: `Values` says how to look into them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

from jobs.inputs.mistakes import MistakeError, Notes

ENDPOINT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
_AROUND = ("custom_id", "method", "url")
# Where a line of a batch file may be meant for, and why a job cannot do it.
_OTHER_ENDPOINTS = {
    "/embeddings": "a job's result is a text, and embeddings are none",
    "/responses": 'for such lines create the batch with "endpoint": "/v1/responses"',
    "/moderations": "a job's result is a text that a model writes",
    "/completions": "a line is read as a body for chat completions",
    "/messages": "a line is read as a body for chat completions",
    "/images/generations": "a job's result is a text",
    "/images/edits": "a job's result is a text",
    "/audio/speech": "a job's result is a text",
}

T = TypeVar("T")


class Values(Protocol[T]):
    """How to look into the values of an object: those of decoded JSON, or those that are still its text."""

    def read(self, value: T, param: str) -> Any:
        """The value, decoded. Raises `MistakeError`."""

    def fields(self, value: T, param: str) -> dict[str, T]:
        """The fields of an object. Raises `MistakeError` when it is none."""

    def make(self, value: Any) -> T:
        """A value of this kind."""


def read_request(
    fields: Mapping[str, T], values: Values[T], notes: Notes, line: int | None, *, where: str = ""
) -> tuple[Any, dict[str, T]]:
    """The `custom_id` of a request, if it has one, and its body. Raises `MistakeError`, with `param` below `where`."""
    at = f"{where}." if where else ""
    _check_method(fields, values, at)
    _check_url(fields, values, notes, line, at)
    ways = [name for name in ("body", "messages", "prompt") if name in fields]
    if len(ways) != 1:
        has = "has " + " and ".join(f'"{way}"' for way in ways) if ways else "has none of them"
        reason = f'a line needs one of "body", "messages" and "prompt", and this one {has}'
        code = "invalid_value" if ways else "missing_required_parameter"
        raise MistakeError(code, reason, "see the README for the forms of a line", param=f"{at}body")
    inside = {name: value for name, value in fields.items() if name not in _AROUND}
    body = inside
    if ways == ["body"]:
        body = values.fields(inside.pop("body"), f"{at}body")
        _refuse_beside_body(inside, at)
    elif ways == ["prompt"]:
        prompt = values.read(inside.pop("prompt"), f"{at}prompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise MistakeError("invalid_value", '"prompt" must be a text that is not empty', param=f"{at}prompt")
        body = {**inside, "messages": values.make([{"role": "user", "content": prompt}])}
    param = f"{at}body." if ways == ["body"] else at
    body = _merge_extra_body(body, values, notes, line, param)
    _note_our_fields(body, notes, line)
    return _custom_id(fields, values, notes, line, at), body


def read_response_request(
    fields: Mapping[str, T], values: Values[T], notes: Notes, line: int | None, *, where: str = ""
) -> tuple[Any, dict[str, T]]:
    """The same of a request for a Response, which has one form: `custom_id`, `method`, `url`, `body`."""
    at = f"{where}." if where else ""
    _check_method(fields, values, at)
    url = values.read(fields["url"], f"{at}url") if "url" in fields else None
    if url is not None and not f"/{_path_of(url)}".endswith("/responses"):
        reason = f'{at}url: "url" must be "{RESPONSES}", the endpoint of the batch'
        raise MistakeError("invalid_value", reason, "put other lines into another batch", param=f"{at}url")
    _refuse_beside_body([name for name in fields if name not in (*_AROUND, "body")], at)
    if "body" not in fields:
        raise MistakeError("missing_required_parameter", 'a line needs a "body"', "write one", param=f"{at}body")
    body = _merge_extra_body(values.fields(fields["body"], f"{at}body"), values, notes, line, f"{at}body.")
    for name in ("stream", "background", "store"):
        if name in body:
            notes.add(name, f'"{name}" was left out: the lines of a batch are written in the background and kept', line)
    return _custom_id(fields, values, notes, line, at), body


def _refuse_beside_body(names: Iterable[str], at: str) -> None:
    for name in names:
        known = "known are body, cells, custom_id, method, url"
        raise MistakeError(
            "unknown_parameter", f'"{name[:64]}" must stand inside "body"', known, param=f"{at}{name[:64]}"
        )


def _check_method(fields: Mapping[str, T], values: Values[T], at: str) -> None:
    method = values.read(fields["method"], f"{at}method") if "method" in fields else None
    if method is not None and (not isinstance(method, str) or method.upper() != "POST"):
        raise MistakeError("invalid_value", f'{at}method: "method" must be "POST"', param=f"{at}method")


def _check_url(fields: Mapping[str, T], values: Values[T], notes: Notes, line: int | None, at: str) -> None:
    url = values.read(fields["url"], f"{at}url") if "url" in fields else None
    if url is None or url == ENDPOINT:
        return
    path = _path_of(url)
    if f"/{path}".endswith("/chat/completions"):
        notes.add("url", f'"url" was read as {ENDPOINT}: every line goes to the upstream that is set up', line)
        return
    because = next((why for ending, why in _OTHER_ENDPOINTS.items() if path.endswith(ending)), "")
    shown = f", not {url[:80]!r}" if isinstance(url, str) else ""
    raise MistakeError("invalid_value", f'{at}url: "url" must be "{ENDPOINT}"{shown}', because, param=f"{at}url")


def _path_of(url: Any) -> str:
    """Without the query with which Azure names its version."""
    return url.partition("?")[0].rstrip("/") if isinstance(url, str) else ""


def _custom_id(fields: Mapping[str, T], values: Values[T], notes: Notes, line: int | None, at: str) -> Any:
    if "custom_id" not in fields:
        return None
    custom_id = values.read(fields["custom_id"], f"{at}custom_id")
    if isinstance(custom_id, int) and not isinstance(custom_id, bool):
        notes.add("custom_id", 'a number as "custom_id" was taken as a text', line)
        return str(custom_id)
    return custom_id


def _merge_extra_body(
    body: dict[str, T], values: Values[T], notes: Notes, line: int | None, param: str
) -> dict[str, T]:
    """The body with what OpenAI's SDK would have merged into it, and as the SDK does: what is extra wins."""
    if "extra_body" not in body:
        return body
    rest = {name: value for name, value in body.items() if name != "extra_body"}
    if values.read(body["extra_body"], f"{param}extra_body") is None:
        return rest
    extra = values.fields(body["extra_body"], f"{param}extra_body")
    notes.add("extra_body", 'the fields of "extra_body" were put into the body', line)
    return {**rest, **extra}


def _note_our_fields(body: Mapping[str, T], notes: Notes, line: int | None) -> None:
    for name in ("stream", "stream_options"):
        if name in body:
            notes.add("stream", f'"{name}" was left out: every job is streamed, and its result is whole', line)


def with_texts_as_metadata(body: dict[str, T], values: Values[T], notes: Notes, line: int | None) -> dict[str, T]:
    """The body with numbers and truth values in its metadata as texts, which is all that metadata can be."""
    metadata = values.read(body["metadata"], "body.metadata") if "metadata" in body else None
    if not isinstance(metadata, dict):
        return body
    changed: dict[str, str] = {}
    for key, value in metadata.items():
        if isinstance(value, bool | int | float):
            changed[key] = str(value).lower() if isinstance(value, bool) else str(value)
        elif not isinstance(value, str):
            param = f"body.metadata.{key[:64]}"
            raise MistakeError("invalid_value", f"{param}: must be a text", "write it as one", param=param)
    if not changed:
        return body
    notes.add("metadata", 'a number or truth value in "metadata" was taken as a text', line)
    return {**body, "metadata": values.make({**metadata, **changed})}

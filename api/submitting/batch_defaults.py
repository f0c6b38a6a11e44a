"""What a batch states once for all its requests: each body is merged over these `defaults`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from api.http.errors import ApiError
from api.submitting.bodies import read_field, read_fields, read_value
from api.submitting.checks import own_fields, refuse_what_only_a_batch_has
from api.submitting.fields import check_response_format, check_text, invalid
from api.submitting.slices import count_values
from jobs.inputs.dialects import RESPONSES
from jobs.intake.submission import NewJob
from jobs.strict_json import dump_json

_LONGEST_SYSTEM = 1_000_000
_FIRST = ("system", "developer")
_NULL = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class BatchDefaults:
    """The fields of every body, and the messages that come before its own."""

    fields: Mapping[str, msgspec.Raw]
    messages: list[Any]
    size: int
    """In bytes, as they came."""
    values: int
    """How many, nested ones included."""

    def merge(self, body: dict[str, msgspec.Raw], where: str) -> dict[str, msgspec.Raw]:
        """The body over the defaults: its fields win, and a null takes a default away.

        The messages of the defaults come first. A body that begins with its own system prompt keeps that one.
        """
        removed = {name for name, value in body.items() if bytes(value).strip() == b"null"}
        before = self.messages
        if "system" in removed:
            before = [message for message in before if message["role"] not in _FIRST]
        merged = {**self.fields, **body}
        if "on_length" in body and read_field(body, "on_length", where) != "continue":
            # The number of the defaults belongs to their `on_length`, and goes with it.
            merged["max_continuations"] = body.get("max_continuations", _NULL)
        # `accept` stays as null: that takes the rules of the batch away, too.
        for name in removed & {*self.fields, "system", *(["messages"] if self.messages else [])} - {"accept"}:
            merged.pop(name, None)
        if before and "messages" not in removed:
            merged["messages"] = self._put_first(before, merged.get("messages"), where)
        return merged

    def _put_first(self, before: list[Any], own: msgspec.Raw | None, where: str) -> msgspec.Raw:
        messages = [] if own is None else read_value(own, f"{where}.messages" if where else "messages")
        if not isinstance(messages, list):
            return own or _NULL  # refused later, by its name
        if messages and isinstance(messages[0], dict) and messages[0].get("role") in _FIRST:
            before = [message for message in before if message["role"] not in _FIRST]
        return msgspec.Raw(dump_json([*before, *messages]).encode())


def check_defaults(text: msgspec.Raw, endpoint: str) -> BatchDefaults | None:
    """The `defaults` of a batch. What is wrong with them is refused here, by its name, and not in each request."""
    if bytes(text).strip() == b"null":
        return None
    fields = read_fields(text, "defaults")
    if "custom_id" in fields:
        raise invalid("defaults.custom_id", "belongs to each request")
    refuse_what_only_a_batch_has(fields, "defaults")
    if endpoint == RESPONSES and "system" in fields:
        raise invalid("defaults.system", "is called `instructions` in a Response")
    own_fields(fields, "defaults", NewJob(request={}))
    check_response_format(read_field(fields, "response_format", "defaults"), "defaults.response_format")
    messages = [] if endpoint == RESPONSES else _read_messages(fields)
    kept = {name: value for name, value in fields.items() if not (messages and name in ("system", "messages"))}
    kept = {name: value for name, value in kept.items() if bytes(value).strip() != b"null"}
    return BatchDefaults(kept, messages, len(bytes(text)), count_values(bytes(text)))


def require_room(defaults: BatchDefaults | None, count: int, length: int, most: int, most_values: int) -> None:
    """Refuse defaults with which these many requests would be more than a batch may be that states them in each."""
    if defaults is None:
        return
    if length + defaults.size * (count - 1) > most:
        reason = f"written out in {count} requests they are more than {most} bytes (LONGHAND_MAX_BODY_BYTES)"
        raise ApiError(413, "batch_too_large", f"defaults: {reason}: split the batch, or send it as a file",
                       param="defaults")  # fmt: skip
    if defaults.values * count > most_values:
        reason = f"written out in {count} requests they have more than {most_values} values: split the batch"
        raise ApiError(413, "too_many_values", f"defaults: {reason}", param="defaults")


def _read_messages(fields: Mapping[str, msgspec.Raw]) -> list[Any]:
    """The system prompt, and the messages after it."""
    system = read_field(fields, "system", "defaults")
    messages = read_field(fields, "messages", "defaults")
    first = []
    if system is not None:
        first = [{"role": "system", "content": check_text(system, "defaults.system", _LONGEST_SYSTEM)}]
    if messages is None:
        return first
    if not isinstance(messages, list):
        raise invalid("defaults.messages", "must be a list of messages")
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise invalid(f"defaults.messages[{place}]", 'must be an object such as {"role": "user", "content": "..."}')
    return [*first, *messages]

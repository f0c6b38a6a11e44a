"""The cursor: `attempt:offset`, the id of every event. Clients echo it, they never compute it."""

import re
from dataclasses import dataclass

from api.errors import ApiError

_CURSOR = re.compile(r"([0-9]{1,9}):([0-9]{1,12})(:done)?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a watcher has come: `offset` bytes of the text of `attempt`, and whether it was told the end."""

    attempt: int = 0
    offset: int = 0
    done: bool = False


def read_cursor(text: str | None) -> Cursor:
    """The cursor that a client sent; none is the beginning. Refuses what was never an event's id."""
    if not text:
        return Cursor()
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise ApiError(
            400,
            "invalid_value",
            f"Last-Event-ID: must be the id of an event, such as 1:1840, not {text[:60]!r}",
            param="Last-Event-ID",
        )
    return Cursor(int(match[1]), int(match[2]), match[3] is not None)

"""What stands beside a text that several requests wrote: their citations and annotations, in one message.

Each answer counts its annotations from its own beginning; here they are moved to where its text stands. The numbers of
citations in a text, such as `[2]`, cannot be moved: they count those of the request that wrote them.
"""

from collections.abc import Mapping
from typing import Any

from worker.active_attempts import ActiveAttempt
from worker.upstream.beside import MAX_MESSAGE_BYTES
from worker.upstream.text import storable_json

_LISTS = ("citations", "search_results", "annotations", "other_parts")

_HAVE_OWN_ROOM = ("tool_calls", "function_call", "logprobs")

Notes = dict[str, list[Any]]


def note_part(running: ActiveAttempt, message: Mapping[str, Any] | None) -> None:
    """Keep what stood beside the part that has just ended. Called before its text counts as that of earlier parts."""
    running.notes = _join(running.notes, _placed(running, message or {}), MAX_MESSAGE_BYTES)


def whole_message(running: ActiveAttempt, message: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The message of a text: that of the last request, with the notes of all."""
    last = dict(message or {})
    own = {} if running.is_noted else _placed(running, last)
    if running.notes:
        others = {name: value for name, value in last.items() if name not in (*_LISTS, *_HAVE_OWN_ROOM)}
        own = _join(running.notes, own, MAX_MESSAGE_BYTES - _size(others))
    last |= own
    return last or None


def _placed(running: ActiveAttempt, message: Mapping[str, Any]) -> Notes:
    """The notes of the request that runs, with its annotations where its text stands."""
    if running.seam is not None and running.seam.began_again:
        return {}
    skipped = running.seam.skipped if running.seam is not None else 0
    notes: Notes = {name: message[name] for name in _LISTS if isinstance(message.get(name), list)}
    if "annotations" in notes and running.text:
        begins = len(running.text)
        moved = (_moved(each, begins - skipped, begins) for each in notes["annotations"])
        notes["annotations"] = [each for each in moved if each is not None]
    return notes


def _moved(annotation: Any, by: int, begins: int) -> Any | None:
    """An annotation whose places are so many characters later; None if it is of what was cut at the seam."""
    if not isinstance(annotation, dict):
        return annotation
    moved = {}
    for name, value in annotation.items():
        if name in ("start_index", "end_index") and type(value) is int:
            if value + by < begins:
                return None
            moved[name] = value + by
        elif isinstance(value, dict):  # as OpenAI has it: {"type": "url_citation", "url_citation": {...}}
            inner = _moved(value, by, begins)
            if inner is None:
                return None
            moved[name] = inner
        else:
            moved[name] = value
    return moved


def _join(first: Notes, second: Notes, room: int) -> Notes:
    """Both, each note once, as far as there is room."""
    joined: Notes = {}
    for name in _LISTS:
        seen = set()
        for each in (*first.get(name, ()), *second.get(name, ())):
            written = storable_json(each)
            if written not in seen and (size := _size(each)) <= room:
                seen.add(written)
                room -= size
                joined.setdefault(name, []).append(each)
    return joined


def _size(value: object) -> int:
    return len((storable_json(value) or "").encode())

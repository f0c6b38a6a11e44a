"""The requests that hold something and lift it again, as values; see `calls.py`."""

from typing import Any, TypedDict
from urllib.parse import quote

from longhand.client.calls import Call, path_of, post_json, read_json
from longhand.client.errors import InputError


class Held(TypedDict, total=False):
    """What else than a batch can be held."""

    model: str
    upstream: str
    project: str


def pause(target: str, *, release_running: bool, message: str) -> Call[Any]:
    """Hold what `held_path` names. Pausing twice changes nothing more."""
    body = {"running": "release" if release_running else "continue", **({"message": message} if message else {})}
    return post_json(f"{target}/pause", body, waits=(0.0,))


def resume(target: str) -> Call[Any]:
    """Lift a hold. Lifting it twice changes nothing more."""
    return Call("POST", f"{target}/resume", read_json, waits=(0.0,))


def held_path(batch_id: str | None, held: Held) -> str:
    """The path of the one thing that is named. Raises `InputError` unless it is exactly one."""
    named = [(kind, str(name)) for kind, name in held.items()]
    if len(named) + (batch_id is not None) != 1:
        raise InputError("name one thing: the id of a batch, a model, an upstream or a project")
    if batch_id is not None:
        return path_of(batch_id, "batch")
    [(kind, name)] = named
    return f"/v1/{kind}s/{quote(name, safe='/' if kind == 'model' else '')}"

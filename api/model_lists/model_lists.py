"""Merges the model lists of several upstreams into one, with the names that jobs use."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jobs.upstreams import UpstreamSpec

_LISTS = ("data", "models")
_WILDCARDS = "*?["


def find_items(answer: object) -> list[dict[str, Any]] | None:
    """The models in an answer, each with its `id`: `{"data": [...]}`, `{"models": [...]}` or a bare list. None: it is
    no list of models.
    """
    listed = answer
    if isinstance(answer, Mapping):
        listed = next((answer[name] for name in _LISTS if isinstance(answer.get(name), list)), None)
    if not isinstance(listed, list):
        return None
    items = [item for item in map(_as_item, listed) if item is not None]
    return items if items or not listed else None


def merge(lists: Iterable[tuple[UpstreamSpec, list[dict[str, Any]]]]) -> dict[str, Any]:
    """One list of all that can be asked for. Of several upstreams that have a model, the lowest tier describes it."""
    found: dict[str, dict[str, Any]] = {}
    for spec, items in sorted(lists, key=lambda pair: pair[0].tier):
        for item in _named_here(spec, items):
            found.setdefault(item["id"], item)
    return {"object": "list", "data": list(found.values())}


def count_taken(spec: UpstreamSpec, items: list[dict[str, Any]]) -> int:
    """How many of the models that an upstream lists jobs can ask for."""
    renamed = set(spec.rename.values())
    return sum(item["id"] in renamed or (item["id"] not in spec.rename and spec.takes(item["id"])) for item in items)


def _named_here(spec: UpstreamSpec, items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The models of one upstream that jobs can ask for, under the names that jobs give them."""
    named_otherwise: dict[str, list[str]] = {}
    for here, there in spec.rename.items():
        named_otherwise.setdefault(there, []).append(here)
    for item in items:
        there = item["id"]
        names = named_otherwise.get(there, [])
        if there not in spec.rename and spec.takes(there):
            names = [*names, there]
        for here in names:
            yield {**item, "id": here}
    # Not every upstream lists its models. What the file names in full is listed, too.
    for here in (*spec.rename, *(pattern for pattern in spec.models if not set(pattern) & set(_WILDCARDS))):
        yield {"id": here, "object": "model", "created": 0, "owned_by": spec.name}


def _as_item(listed: object) -> dict[str, Any] | None:
    if isinstance(listed, str):
        return {"id": listed, "object": "model"} if listed else None
    if not isinstance(listed, dict):
        return None
    name = listed.get("id") or listed.get("name") or listed.get("model")
    return {**listed, "id": name} if isinstance(name, str) and name else None

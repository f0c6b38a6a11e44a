"""Below the tables of `longhand status`: each thing once."""

from typing import Any

from longhand.terminal.status_tables import notes

HOLD = {
    "kind": "upstream",
    "target": "main",
    "reason": "credit",
    "since": 1.0,
    "message": "402",
    "held_by": "system",
    "probe_at": 1.0,
}


def status(**fields: Any) -> Any:
    running = {"name": "w", "state": "running"}
    nothing = {"queue": [], "queue_has_more": False, "held": [], "upstreams": [], "file_mistakes": []}
    return {"workers": [running], "workers_complete": True, **nothing, **fields}


def test_an_upstream_on_hold_is_told_once_whenever_each_part_was_read() -> None:
    """The queue and the upstreams are read at two moments: the next try was due at one, and far away at the other."""
    line = {"limited_by": "hold", "limited_by_message": "", "limited_until": None, "hold": {**HOLD, "probe_at": 9e9}}
    of_upstream = {name: value for name, value in HOLD.items() if name not in ("kind", "target")}
    upstream: Any = {"name": "main", "url": "http://x/v1", "hold": of_upstream, "last_error": None, "in_use": []}
    [said] = notes(status(queue=[line], upstreams=[upstream]))
    assert said.startswith("the upstream main is out of credit, so no new job starts (since ")
    [said] = notes(status(queue=[line], upstreams=[{**upstream, "name": "other", "hold": None}]))
    assert said.startswith("the upstream main is out of credit, so no new job starts (since ")
    model = {**HOLD, "kind": "model", "held_by": "person", "reason": "paused", "probe_at": None}
    assert len(notes(status(queue=[{**line, "hold": model}], upstreams=[upstream]))) == 2

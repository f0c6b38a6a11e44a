"""What the table of upstreams says of each."""

from typing import Any

import pytest

from longhand.terminal.upstream_tables import upstreams_table
from longhand.words.catalogue import Language, speaking

LANE = {"model": "m", "running": 1, "window": 4, "limited_by": None, "first_delta_seconds": None}
LANE |= {limit: {"used": None, "limit": None} for limit in ("requests_per_minute", "tokens_per_minute")}
LIMITS = dict.fromkeys(("max_streams", "requests_per_minute", "tokens_per_minute"))


def state_of(language: Language, **known: Any) -> str:
    upstream = {"name": "one", "state": "ok", "running": 0, "limits": LIMITS, "in_use": [], "refused": None}
    with speaking(language):
        table = upstreams_table([{**upstream, "first_delta_seconds": None, **known}])
    return str(next(iter(table.columns[1].cells)))


@pytest.mark.parametrize(
    ("known", "english", "chinese"),
    [
        ({}, "not used lately", "近期未使用"),
        ({"in_use": [LANE]}, "no text yet", "尚无文本"),
        ({"in_use": [LANE], "first_delta_seconds": 0.2}, "ok", "正常"),
        ({"state": "held"}, "held", "暂停中"),
        ({"state": None, "in_use": None}, "-", "-"),
    ],
)
def test_an_upstream_is_ok_only_when_it_writes(known: dict[str, Any], english: str, chinese: str) -> None:
    """One that nobody has asked, or that has answered nothing yet, may have a wrong address or key."""
    assert (state_of("en", **known), state_of("zh", **known)) == (english, chinese)

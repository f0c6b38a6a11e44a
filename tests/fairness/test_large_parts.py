"""Texts with large parts beside texts with small parts, where tokens are scarce."""

import pytest

from jobs.store.database import Database
from tests.fairness.mixes import Member, Mix, Upstream
from tests.fairness.playing import Play

LARGE, SMALL = 4000, 200
BEGINS, MINUTE = 20.0, 60.0

BOTH = Member(1.2, prompt=150, output=50, parts=4, large=2, large_tokens=LARGE)
WHOLE = Member(0.3, prompt=400, output=100)


@pytest.mark.parametrize(
    ("members", "workers"),
    [((BOTH, WHOLE), (30,)), ((BOTH, WHOLE), (15, 15)), ((BOTH,), (30,))],
    ids=["others wait", "others wait for two processes", "nobody else waits"],
)
def test_large_parts_have_places_in_a_minute_beside_small_ones_of_their_project(
    sqlite_database: Database, members: tuple[Member, ...], workers: tuple[int, ...]
) -> None:
    """Before, small ones put them off by what they cost, or took each token as it came: they had none."""
    mix = Mix(members, workers, BEGINS + MINUTE, (Upstream(tokens_per_minute=60_000),))
    seen = Play(sqlite_database, mix).run()
    had = [[tokens for at, tokens in one if at >= BEGINS] for one in seen.requested]
    assert had[0].count(LARGE) >= 3
    assert had[0].count(SMALL) >= 20, "and the others go on"
    used = sum(map(sum, had))
    assert used >= 0.9 * 60_000
    fair = used / len(members)
    assert 0.8 * fair <= sum(had[0]) <= 1.3 * fair, "their project has its share, as before"

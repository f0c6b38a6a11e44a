"""Whatever projects share an upstream, each gets its share of it, soon, and nothing is left unused.

Beside the mixes that are written out there are random ones with numbers: `LONGHAND_TEST_MIXES=0:300` plays these.
"""

import os

import pytest

from jobs.store.database import Database
from tests.fairness.mixes import Member, Mix, Upstream
from tests.fairness.playing import Play
from tests.fairness.promises import broken
from tests.fairness.random_mixes import random_mix

FIRST, END = map(int, os.environ.get("LONGHAND_TEST_MIXES", "0:0").split(":"))
KNOWN = (101, 104, 108)
"""Each was unfair once, or is near to it."""

SEVERAL = Member(3.0, models=3, has_common=True)

MIXES = {
    "a model that others use beside some of their own": Mix((Member(3.0, models=0), *[SEVERAL] * 4), (4,), 160.0),
    "long texts beside short ones in processes of one stream": Mix((Member(9.0), Member(1.0)), (1, 1, 1), 140.0),
    "few requests for different models": Mix(
        (Member(8.0), Member(0.3)), (8,), 160.0, (Upstream(8, requests_per_minute=60),)
    ),
    "large requests beside small ones for another model": Mix(
        (Member(0.3, prompt=2000), Member(0.3, prompt=200)), (8,), 160.0, (Upstream(tokens_per_minute=30_000),)
    ),
    "one of which most requests fail at once": Mix((Member(8.0, fails=0.6), Member(2.0)), (4,), 200.0),
    "texts in parts beside whole ones": Mix((Member(6.0, parts=6), Member(2.0)), (4,), 140.0, (Upstream(4),)),
}


@pytest.mark.parametrize("name", MIXES)
def test_each_project_gets_its_share_of(sqlite_database: Database, name: str) -> None:
    assert broken(MIXES[name], Play(sqlite_database, MIXES[name]).run()) == []


@pytest.mark.parametrize("number", [*KNOWN, *range(FIRST, END)])
def test_each_project_of_a_random_mix_gets_its_share(sqlite_database: Database, number: int) -> None:
    mix = random_mix(number)
    assert broken(mix, Play(sqlite_database, mix).run()) == [], mix

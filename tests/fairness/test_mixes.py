"""Whatever projects share an upstream, each gets its share of it, soon, and nothing is left unused.

The mixes are random, and each has a number. `LONGHAND_TEST_MIXES=1000:1200` plays these.
"""

import os

import pytest

from jobs.store.database import Database
from tests.fairness.mixes import random_mix
from tests.fairness.playing import Play
from tests.fairness.promises import broken

FIRST, END = map(int, os.environ.get("LONGHAND_TEST_MIXES", "0:0").split(":"))
KNOWN = (102, 104, 108, 2)
"""Each showed an unfairness once: models of their own beside a common one, few requests, few tokens, a killed worker."""


@pytest.mark.parametrize("number", [*KNOWN, *range(FIRST, END)])
def test_each_project_of_a_mix_gets_its_share(sqlite_database: Database, number: int) -> None:
    mix = random_mix(number)
    seen = Play(sqlite_database, mix).run()
    assert broken(mix, seen) == [], mix

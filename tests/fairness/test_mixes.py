"""Whatever projects share an upstream, each gets its share of it, soon, and nothing is left unused.

Beside the mixes that are written out there are random ones with numbers: `LONGHAND_TEST_MIXES=0:300` plays these.
"""

import os

import pytest

from jobs.store.database import Database
from tests.fairness.mixes import Member, Mix, Outage, Upstream
from tests.fairness.playing import Play
from tests.fairness.promises import broken
from tests.fairness.random_mixes import random_mix
from worker.upstream.errors import ConnectFailed, CutMidStream, RateLimited, Rejected, UpstreamError

FIRST, END = map(int, os.environ.get("LONGHAND_TEST_MIXES", "0:0").split(":"))
KNOWN = (101, 104, 108)
"""Each was unfair once, or is near to it."""

SEVERAL = Member(3.0, models=3, has_common=True)

MIXES = {
    "a model that others use beside some of their own": Mix((Member(3.0, models=0), *[SEVERAL] * 4), (4,), 120.0),
    "long texts beside short ones in processes of one stream": Mix((Member(9.0), Member(1.0)), (1, 1, 1), 140.0),
    "few requests for different models": Mix(
        (Member(8.0), Member(0.3)), (8,), 120.0, (Upstream(8, requests_per_minute=60),)
    ),
    "large requests beside small ones for another model": Mix(
        (Member(0.3, prompt=2000), Member(0.3, prompt=200)), (8,), 110.0, (Upstream(tokens_per_minute=30_000),)
    ),
    "one of which most requests fail at once": Mix((Member(8.0, fails=0.6), Member(2.0)), (4,), 150.0),
    "texts in parts beside whole ones": Mix((Member(6.0, parts=6), Member(2.0)), (4,), 140.0, (Upstream(4),)),
    "one that may use two upstreams beside those that may use one": Mix(
        (Member(3.0, upstreams=(0,)), Member(6.0, weight=3.0, upstreams=(0,)), Member(2.0)),
        (3, 4),
        110.0,
        (Upstream(3), Upstream(3)),
    ),
    "fewer streams than the upstreams take": Mix(
        (Member(4.0, upstreams=(0,)), Member(2.0), Member(12.0, upstreams=(1,))),
        (2, 1),
        170.0,
        (Upstream(2), Upstream(2)),
    ),
    "one that is refused a third of its requests for twenty seconds": Mix(
        (Member(4.0, refused=0.3, retry_after=20.0), Member(6.0), Member(2.0)), (6,), 100.0, (Upstream(6),)
    ),
    "one that is refused whatever it sends": Mix(
        (Member(2.0), Member(4.0), Member(1.0, refused=1.0, a_second=1.0)), (6,), 80.0, (Upstream(6),)
    ),
    "more streams than the upstream takes, which nobody has declared": Mix(
        (Member(4.0, models=0), Member(2.0, models=0)), (8,), 110.0, (Upstream(takes=4),)
    ),
    "an upstream that is away beside one that is well": Mix(
        (Member(4.0, upstreams=(0,)), Member(2.0), Member(9.0, upstreams=(1,))),
        (4,),
        140.0,
        (Upstream(2), Upstream(2)),
        (Outage(0, 40.0, 20.0),),
    ),
    "a killed worker whose text had the only stream": Mix(
        (Member(0.6), Member(0.6, weight=2.0)), (2,), 75.0, (Upstream(1),), restarts=(25.0,)
    ),
    "texts of which the first fail at once": Mix((Member(12.0, fails=0.5, from_second=5.0), Member(3.0)), (8,), 140.0),
}


@pytest.mark.parametrize("name", MIXES)
def test_each_project_gets_its_share_of(sqlite_database: Database, name: str) -> None:
    seen = Play(sqlite_database, MIXES[name]).run()
    assert broken(MIXES[name], seen) == []
    assert set(seen.failed) == faults(MIXES[name])


def faults(mix: Mix) -> set[str]:
    """The codes of the errors that its requests end with."""
    told: set[type[UpstreamError]] = {Rejected} if any(member.fails for member in mix.members) else set()
    if any(member.refused for member in mix.members) or any(one.takes for one in mix.upstreams):
        told.add(RateLimited)
    if mix.outages:
        told |= {ConnectFailed, CutMidStream}
    return {kind.code for kind in told}


@pytest.mark.parametrize("number", [*KNOWN, *range(FIRST, END)])
def test_each_project_of_a_random_mix_gets_its_share(sqlite_database: Database, number: int) -> None:
    mix = random_mix(number)
    assert broken(mix, Play(sqlite_database, mix).run()) == [], mix

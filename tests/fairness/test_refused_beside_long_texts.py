"""A project whose requests are all refused, beside others that write long texts."""

import pytest

from jobs.store.database import Database
from tests.fairness.mixes import Member, Mix, Upstream
from tests.fairness.playing import Play
from worker.upstream.errors import RateLimited

STREAMS, SETTLES, MEASURED = 20, 30.0, 120.0


def refused_from(second: float) -> Member:
    return Member(1.0, models=0, refused=1.0, a_second=1.0, from_second=second)


@pytest.mark.parametrize("refused", [1, 2])
@pytest.mark.parametrize("seconds", [90.0, 300.0])
def test_others_keep_their_streams(sqlite_database: Database, seconds: float, refused: int) -> None:
    """Before, each refusal took one more stream, and the others were never next: 1 of 20 after three minutes."""
    since = 1.5 * seconds
    members = Member(seconds, models=0, spread=0.5), *[refused_from(since)] * refused
    until = since + SETTLES + MEASURED
    play = Play(sqlite_database, Mix(members, (STREAMS,), until, (Upstream(),)))
    seen = play.run()
    used, _, _ = seen.used(0, since + SETTLES, until)
    assert used / MEASURED >= 0.95 * STREAMS
    others = sum(place == 0 and at >= since for at, place in play.log.begun)
    assert 0 < seen.failed[RateLimited.code] <= refused * (others + 1)

"""After an outage its end is found at the next probe, although the jobs of one project always fail there."""

import pytest

from jobs.store.database import Database
from tests.fairness.mixes import Member, Mix, Outage, Upstream
from tests.fairness.playing import Play
from worker.upstream.errors import ConnectFailed, ServerError


@pytest.mark.parametrize("seed", [1, 3])
def test_a_project_whose_jobs_always_fail_delays_nobody(sqlite_database: Database, seed: int) -> None:
    """The probe is one of its jobs. Before, all waited for one more interval, which had doubled: 43 s, now 11."""
    outage = Outage(0, begins=20.0, seconds=20.0)
    members = (Member(2.0), Member(2.0), Member(1.0, a_second=0.5, retries=1.0))
    seen = Play(sqlite_database, Mix(members, (4,), 60.0, (Upstream(4),), (outage,), seed=seed)).run()
    assert seen.back[outage] - outage.ends < 15.0
    own = [at for at, _ in seen.requested[2] if outage.ends <= at < seen.back[outage]]
    assert own, "the probe was of the others, so nothing could delay them"
    assert seen.failed[ConnectFailed.code]
    assert seen.failed[ServerError.code]

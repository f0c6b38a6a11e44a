"""Attempts that fail and texts that come, told as workers and dispatch do, and what is then due or held."""

from typing import Any

from jobs.dispatch.failure import Failure, Judgement
from jobs.dispatch.holds import read_holds
from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.outages import judge
from jobs.dispatch.waiting import find_why_waiting
from jobs.lifecycle import transitions
from jobs.lifecycle.transitions import hold_back, retry
from jobs.model.endings import MAX_CRASHES
from jobs.upstreams import UNDECLARED, UpstreamSpec
from tests.store.reserving import lanes_of, take_due
from tests.store.store_fixtures import REFUSED, Store, written

HINT_SECONDS = 30.0


def due(store: Store, room: int = 100) -> list[str]:
    return take_due(store.database, room, HINT_SECONDS)


def why(store: Store, job_id: str, *specs: UpstreamSpec) -> str | None:
    found = find_why_waiting(store.database, [job_id], specs or (UNDECLARED,), HINT_SECONDS)
    return found[job_id].limited_by if job_id in found else None


def fail(store: Store, job_id: str, reason: Any, *, by_status: bool = True, **given: Any) -> Judgement:
    """An attempt of this job, sent now, fails so at once."""
    job = store.job(job_id)
    known: dict[str, Any] = {"sent_at": store.clock.now, "refusals": job.refusals, "refused_at": job.refused_at}
    store.clock.advance(0.01)
    known |= {"reason": reason, "code": "upstream_error", "message": "it said no", "by_status": by_status} | given
    failure = Failure("default", "m1", job_id, **known)
    return judge(store.database, failure)


def accept(store: Store, address_mark: str = UNDECLARED.address_mark) -> None:
    """A request that was sent at this moment has written its first text, and dispatch has noted that."""
    note(store, LaneNews(accepted_at=store.clock.now, address_mark=address_mark))


def note(store: Store, news: LaneNews) -> None:
    """Dispatch has noted this of the lane."""
    own = lanes_of(store.database, HINT_SECONDS)
    own.note(("default", "m1"), news)
    own.reserve(0, MAX_CRASHES)


def prove(store: Store) -> None:
    """A request that was sent at this moment has written more than those that were cut."""
    note(store, LaneNews(proved_at=store.clock.now))


def hold_again(store: Store, job_id: str, attempt: int, judged: Judgement) -> None:
    """Queue a job again as its worker does after this judgement; at its last attempt it fails."""
    job, now = store.job(job_id), store.clock.now
    if not judged.charged:
        hold_back(store.database, job_id, attempt, written(), REFUSED, now, refused=judged.alone)
    elif job.failures + 1 >= job.max_attempts:
        transitions.fail(store.database, job_id, attempt, written(), REFUSED)
    else:
        retry(store.database, job_id, attempt, written(), REFUSED, now)


def reasons(store: Store) -> list[str]:
    return [hold.reason for hold in read_holds(store.database)]

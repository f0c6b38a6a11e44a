"""What one project's jobs have caused keeps no other project's first job waiting: it is a probe at once."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from jobs.dispatch.holds import MOST_REFUSED_PROJECTS, Hold, read_holds
from jobs.dispatch.upstream_holds import end_probe_now
from jobs.intake.submission import submit_job
from jobs.lifecycle import transitions
from jobs.lifecycle.lease import claim
from jobs.lifecycle.transitions import hold_back
from jobs.tables import holds, jobs
from tests.sparing import on_sqlite
from tests.store.failing import due, fail
from tests.store.store_fixtures import LEASE, REFUSED, USAGE, Store, new_job, store, written

__all__ = ["store"]  # a fixture


def submit(store: Store, *projects: str, model: str = "m1") -> list[str]:
    found = []
    for project in projects:
        found.append(submit_job(store.database, new_job(model=model), project=project).id)
        store.clock.advance(0.001)
    return found


def refuse(store: Store, job_id: str, reason: str = "key", *, by_status: bool = True) -> Hold:
    """This job is sent and told so, and waits again; the hold afterwards."""
    claimed = store.claim(job_id)
    fail(store, job_id, reason, by_status=by_status)
    hold_back(store.database, job_id, claimed.attempt, written(), REFUSED, store.clock.now, refused=False)
    [hold] = read_holds(store.database)
    return hold


def complete(store: Store, project: str) -> None:
    [job_id] = submit(store, project)
    assert due(store) == [job_id]
    claimed = store.claim(job_id)
    assert transitions.finish(store.database, job_id, claimed.attempt, written("Rain.", usage=USAGE))


def held_by_alpha(store: Store, probes: int = 0, reason: str = "key") -> Hold:
    """Alpha's jobs hold the upstream, and so many probes of alpha have failed."""
    submit(store, *["alpha"] * (probes + 2))
    hold = refuse(store, due(store, 1)[0], reason)
    for _ in range(probes):
        assert hold.probe_at is not None
        store.clock.now = hold.probe_at
        hold = refuse(store, due(store)[0], reason)
    return hold


def next_probe(store: Store, hold: Hold) -> str:
    """The job that goes when the time of the next probe has come, and no earlier."""
    assert due(store) == []
    assert hold.probe_at is not None
    store.clock.now = hold.probe_at
    [probe] = due(store)
    return probe


def projects_of(store: Store, job_ids: Sequence[str]) -> list[str]:
    return [store.job(job_id).project for job_id in job_ids]


@on_sqlite
@pytest.mark.parametrize("reason", ["credit", "key", "away"])
@pytest.mark.parametrize("model", ["m1", "m2"])
def test_the_first_job_of_another_project_is_a_probe_at_once(store: Store, reason: str, model: str) -> None:
    """Before, it waited for minutes behind probes that each had failed by alpha's own fault."""
    held_by_alpha(store, probes=6, reason=reason)
    store.clock.advance(1)
    assert due(store) == []
    beta, _ = submit(store, "beta", "beta", model=model)
    assert due(store) == [beta]
    assert due(store) == []  # one at a time
    assert claim(store.database, beta, "w1", LEASE) is not None


def test_a_probe_of_a_project_that_fails_at_once_is_its_only_one_until_it_is_time(store: Store) -> None:
    hold = held_by_alpha(store)
    submit(store, *["beta"] * 3, *["gamma"] * 3)
    early = []
    for _ in range(2):
        [probe] = due(store)
        early.append(store.job(probe).project)
        after = refuse(store, probe)
        assert after.probe_at is not None
        assert hold.probe_at is not None
        assert after.probe_at <= hold.probe_at  # nobody waits longer for it
    assert sorted(early) == ["beta", "gamma"]
    assert due(store) == []


def test_the_projects_take_turns_with_probes_and_the_interval_grows(store: Store) -> None:
    hold = held_by_alpha(store)
    submit(store, "beta", "beta")
    hold = refuse(store, due(store)[0], "away", by_status=False)
    probed, waits = [], []
    for _ in range(4):
        probe = next_probe(store, hold)
        probed += projects_of(store, [probe])
        hold = refuse(store, probe, "away", by_status=False)
        assert hold.probe_at is not None
        waits.append((hold.probe_at - store.clock.now).total_seconds())
    assert probed == ["alpha", "beta", "alpha", "beta"]
    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]


@pytest.mark.parametrize("reason", ["failing", "odd", "key"])
def test_behind_a_probe_that_was_told_what_may_be_its_own_one_of_a_served_project_goes_at_once(
    store: Store, reason: str
) -> None:
    """Before, all waited for another interval, which had doubled, when the probe's project was one that always fails:
    in all 45 s after an outage of 20 s, in place of 13.
    """
    for project in ("alpha", "delta"):
        complete(store, project)
        store.clock.advance(60)
    hold = held_by_alpha(store)
    for project in ("beta", "gamma", "delta"):
        submit(store, *[project] * 4)
        hold = refuse(store, due(store)[0], reason)
    rounds, waits = [], []
    for _ in range(4):
        probe = next_probe(store, hold)
        hold = refuse(store, probe, reason)
        assert hold.probe_at is not None
        waits.append((hold.probe_at - store.clock.now).total_seconds())
        [second] = due(store)
        after = refuse(store, second, reason)
        assert after.probe_at == hold.probe_at  # nobody waits longer for it
        rounds.append([probe, second])
    probed = [projects_of(store, one) for one in rounds]
    assert all(first != second and second in ("alpha", "delta") for first, second in probed)
    assert {first for first, _ in probed} & {"beta", "gamma"}  # that were never served, and have their turns
    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]


def test_where_nobody_was_served_the_one_that_was_asked_longest_ago_goes_at_once(store: Store) -> None:
    hold = held_by_alpha(store)
    for project in ("beta", "gamma"):
        submit(store, project, project)
        hold = refuse(store, due(store)[0], "failing")
    assert hold.refused_projects == ("alpha", "beta", "gamma")
    assert hold.probe_at is not None
    store.clock.now = hold.probe_at
    [probe] = due(store)
    longest_ago = next(name for name in hold.refused_projects if name != store.job(probe).project)
    refuse(store, probe, "failing")
    assert projects_of(store, due(store)) == [longest_ago]


@pytest.mark.parametrize(("reason", "by_status"), [("away", False), ("cut", False), ("broken", True)])
def test_no_second_one_goes_where_no_connection_came_about_or_a_stream_was_paid_for(
    store: Store, reason: str, by_status: bool
) -> None:
    hold = held_by_alpha(store)
    submit(store, "beta", "beta")
    hold = refuse(store, due(store)[0])
    assert hold.probe_at is not None
    store.clock.now = hold.probe_at
    refuse(store, due(store)[0], reason, by_status=by_status)
    assert due(store) == []


def test_a_project_whose_probes_end_by_their_own_fault_takes_turns_with_the_others(store: Store) -> None:
    """Each shows nothing, so the next one goes at once; before, all of one project's went, and nobody else's."""
    held_by_alpha(store)
    submit(store, *["beta"] * 4)
    probed = []
    for _ in range(4):
        [probe] = due(store)
        probed += projects_of(store, [probe])
        claimed = store.claim(probe)
        transitions.fail(store.database, probe, claimed.attempt, written(), REFUSED)
        end_probe_now(store.database, "default", probe)
    assert probed[:2] == ["beta", "alpha"]
    assert set(probed[2:]) == {"alpha", "beta"}


def test_a_limit_of_one_projects_model_is_probed_at_once_by_another_project_and_then_in_its_time(store: Store) -> None:
    """A limit per day of alpha's model kept beta's other model waiting for minutes."""
    held_by_alpha(store)
    with store.database.write() as connection:
        connection.execute(holds.update().values(reason="limit"))
    [beta] = submit(store, "beta")
    assert due(store) == [beta]
    refuse(store, beta)
    submit(store, "beta")
    assert due(store) == []


def test_a_job_that_is_not_due_yet_changes_nothing_of_the_time_of_the_next_probe(store: Store) -> None:
    hold = held_by_alpha(store)
    [beta] = submit(store, "beta")
    with store.database.write() as connection:
        later = store.clock.now + timedelta(seconds=60)
        connection.execute(jobs.update().where(jobs.c.id == beta).values(due_at=later))
    assert due(store) == []
    assert read_holds(store.database) == [hold]


@on_sqlite
def test_when_many_projects_were_told_the_same_no_other_one_asks_at_once(store: Store) -> None:
    held_by_alpha(store)
    for number in range(MOST_REFUSED_PROJECTS - 1):
        submit(store, f"p{number}")
        refuse(store, due(store)[0])
    submit(store, "late")
    assert due(store) == []


def test_a_hold_of_a_version_before_names_no_project_and_each_may_probe_once(store: Store) -> None:
    hold = held_by_alpha(store)
    with store.database.write() as connection:
        connection.execute(holds.update().values(last_probe=hold.last_probe))
    [old] = read_holds(store.database)
    assert (old.last_probe, old.refused_projects) == (hold.last_probe, ())
    [probe] = due(store)
    assert refuse(store, probe).refused_projects == ("alpha",)
    assert due(store) == []

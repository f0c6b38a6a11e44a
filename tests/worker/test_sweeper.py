"""The sweeper deletes what is kept no longer, some of each kind in a round."""

from datetime import timedelta

import pytest
from sqlalchemy import Table, func, insert, select, update

from jobs.dispatch import unused_lanes
from jobs.intake.submission import NewJob, submit_job
from jobs.store import upstream_habits
from jobs.store.database import Database
from jobs.store.upstream_habits import ShownHabit, store_habits
from jobs.tables import jobs, lanes
from jobs.tables import upstream_habits as habits
from tests.worker.worker_fixtures import wait_until
from worker.sweeper import Sweeper


def count(database: Database, table: Table) -> int:
    with database.read() as connection:
        return connection.scalars(select(func.count()).select_from(table)).one()


def test_lanes_and_habits_that_rest_go_in_the_same_rounds_so_that_none_waits_for_another(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unused_lanes, "MOST_KEPT", 3)
    monkeypatch.setattr(unused_lanes, "_ROWS_PER_DELETE", 1)
    monkeypatch.setattr(upstream_habits, "MOST_HABITS", 3)
    monkeypatch.setattr(upstream_habits, "_ROWS_PER_DELETE", 1)
    long_ago = database.now() - timedelta(hours=1)
    for number in range(9):
        store_habits(database, [ShownHabit("default", f"m{number}", "ends_bare")])
        with database.write() as connection:
            row = {"upstream": "default", "model": f"m{number}", "updated_at": long_ago + timedelta(seconds=number)}
            connection.execute(insert(lanes).values(row))
    sweeper = Sweeper(database)
    sweeper.start()
    try:
        wait_until(lambda: count(database, lanes) == 3, "six lanes go")
        assert count(database, habits) <= 4
        wait_until(lambda: count(database, habits) == 3, "six habits go")
    finally:
        sweeper.stop()


def test_what_a_worker_of_a_version_before_has_completed_is_amended_at_the_start(database: Database) -> None:
    submit_job(database, NewJob({"model": "m"}))
    ended = {"status": "completed", "attempt": 1, "finish_reason": "length", "bytes": 4}
    with database.write() as connection:
        connection.execute(update(jobs).values(ended))
    sweeper = Sweeper(database, look_seconds=3600)
    sweeper.start()

    def why() -> str | None:
        with database.read() as connection:
            return connection.scalar(select(jobs.c.incomplete))

    try:
        wait_until(lambda: why() == "max_output_tokens", "the text is known to be cut short")
    finally:
        sweeper.stop()

"""What a lane keeps of the text that its streams get: the window after a hold, and what a version before leaves."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from jobs.dispatch.upstream_holds import begin_hold
from jobs.pace.window import FIRST
from jobs.tables import lanes
from tests.store.failing import reasons
from tests.store.store_fixtures import Store, store
from tests.store.test_well_for_others import note, start, told, writes

__all__ = ["store"]  # a fixture

PACE = select(lanes.c.pace).where(lanes.c.model == "long")


@pytest.mark.parametrize("is_writing", [True, False])
def test_a_hold_takes_no_stream_from_those_that_were_written_all_the_time(store: Store, is_writing: bool) -> None:
    """Each one that ends is followed by another; before, none was until all but four had ended."""
    [first, *_] = start(store, "beta", "long", 30)
    change_pace(store, lambda pace: pace["window"].update(size=30.0))
    if is_writing:
        writes(store)
    with store.database.write() as connection:
        begin_hold(connection, "default", "away", "it said no", store.clock.now, job_id=first)
    store.clock.advance(1)
    note(store, "long", accepted_at=store.clock.now, wrote_at=store.clock.now)  # by the probe
    assert reasons(store) == []
    assert window(store) == (30 if is_writing else FIRST)


def change_pace(store: Store, change: Callable[[dict[str, Any]], object]) -> None:
    with store.database.write() as connection:
        pace = json.loads(connection.scalar(PACE) or "")
        change(pace)
        connection.execute(update(lanes).where(lanes.c.model == "long").values(pace=json.dumps(pace)))


def window(store: Store) -> float:
    with store.database.read() as connection:
        return float(json.loads(connection.scalar(PACE) or "")["window"]["size"])


def test_a_version_before_drops_when_text_came_and_this_one_then_knows_nothing_of_it(store: Store) -> None:
    start(store, "beta", "long", 3)
    [alpha] = start(store, "alpha", "quick")
    writes(store)
    change_pace(store, lambda pace: pace.pop("wrote_at"))
    assert told(store, alpha, "quick", "away").began

"""Any life of a few jobs under several workers: after each step the rows say what `ExpectedJob` says, and nothing else.

Hypothesis finds the orders.
"""

from itertools import count
from types import SimpleNamespace

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from jobs.model import ids
from tests.store.job_life import JobLife
from tests.store.store_fixtures import Store, store

__all__ = ["store"]  # a fixture


@pytest.mark.timeout(600)  # when it fails, Hypothesis takes a while to make the failure small
def test_any_life_of_a_job_keeps_the_promises(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    live(store, monkeypatch, lives=25 if store.database.is_sqlite else 6)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_many_more_lives_keep_them_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    live(store, monkeypatch, lives=90 if store.database.is_sqlite else 20)


def live(store: Store, monkeypatch: pytest.MonkeyPatch, lives: int) -> None:
    """Let Hypothesis try so many lives of forty steps."""
    # Ids of one millisecond sort by their random part. Then a life that is repeated goes another way, which Hypothesis
    # calls inconsistent; so here that part is a number that rises.
    numbers = count()
    monkeypatch.setattr(ids, "secrets", SimpleNamespace(token_hex=lambda size: f"{next(numbers):0{2 * size}x}"))

    class OnThisStore(JobLife):
        def __init__(self) -> None:
            super().__init__(store)

    # The same faults are found on both; SQLite is the quicker one to find them with, and to make them small.
    quick = store.database.is_sqlite
    phases = [Phase.reuse, Phase.generate, Phase.shrink] if quick else [Phase.reuse, Phase.generate]
    told = settings(max_examples=lives, stateful_step_count=40, deadline=None, print_blob=True, phases=phases)
    run_state_machine_as_test(OnThisStore, settings=told)

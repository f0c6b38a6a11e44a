"""What `longhand up` says at its end of the articles that its workers write."""

import socket
import threading

import pytest

from jobs.model.ids import worker_name
from jobs.store.database import Database
from longhand.stack import unfinished
from longhand.stack.unfinished import count_unfinished
from tests.api.batch_watching import submit_jobs
from tests.store.reserving import claim_now

OWN = [(41, "aa"), (42, "bb")]


def test_only_what_runs_in_the_workers_of_this_stack_is_counted(database: Database, database_url: str) -> None:
    _, ids = submit_jobs(database, 4)
    assert count_unfinished(database_url, OWN) == 0
    host = socket.gethostname()
    for job_id, (pid, mark) in zip(ids, [*OWN, (43, "of another stack")], strict=False):
        assert claim_now(database, job_id, worker_name(host, pid, mark), 15)
    assert count_unfinished(database_url, OWN) == 2
    assert count_unfinished(database_url, []) == 0


def test_nobody_waits_for_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, free = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        asked.set()
        free.wait()

    monkeypatch.setattr(unfinished, "_count", hang)
    monkeypatch.setattr(unfinished, "_SECONDS", 0.05)
    assert count_unfinished("sqlite:///", OWN) is None
    assert asked.is_set()
    free.set()


def test_a_database_that_is_away_makes_no_number() -> None:
    assert count_unfinished("postgresql://nobody@127.0.0.1:1/none", OWN) is None

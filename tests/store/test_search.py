"""Search: as exact through every index as by looking at each job, and through the right one.

SQLite has the index of texts always, PostgreSQL where it has `pg_trgm`. The one that the tests carry has not: that is
the search without an index. For the search with it a PostgreSQL of the machine's own packages is started.
"""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import delete, select, text

import jobs.store.metadata_pairs
import jobs.store.search
from jobs.intake.submission import submit_job
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.retry import retry_job
from jobs.lifecycle.transitions import fail, finish
from jobs.model.status import JobStatus
from jobs.store.database import Database, open_database
from jobs.store.search import JobFilter, list_jobs
from jobs.store.text_index import (
    drop_text_index,
    find_with_text,
    has_text_index,
    make_text_index,
)
from jobs.tables import metadata_pairs, texts
from tests.store.plans import plans_of
from tests.store.store_fixtures import LEASE, REFUSED, Store, new_job, written

LETTERS = ["a", "b", "A", " ", "é", "É", "名", "字", "%", "_", "/", '"', "'", "\\", "😀", "\n"]


@pytest.fixture(params=["sqlite_database", "postgresql without pg_trgm", "postgresql with pg_trgm"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store in which a text is looked for in one job by walking, and then in the index of texts."""
    monkeypatch.setattr(jobs.store.search, "_WALK", 1)
    monkeypatch.setattr(jobs.store.search, "_IDS_PER_READ", 2)
    if request.param == "postgresql without pg_trgm":
        opened = open_database(request.getfixturevalue("postgres_url"))
        yield Store(opened)
        opened.close()
        return
    name = "trigram_database" if request.param == "postgresql with pg_trgm" else request.param
    database = request.getfixturevalue(name)
    with database.read() as connection:
        assert has_text_index(connection)
    yield Store(database)


@pytest.fixture
def sqlite_store(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> Store:
    """One that has the index of texts, with a walk of one job."""
    monkeypatch.setattr(jobs.store.search, "_WALK", 1)
    return Store(sqlite_database)


def completed(store: Store, written_text: str, **options: Any) -> str:
    """A job with this stored text."""
    job_id = store.running(**options)
    assert finish(store.database, job_id, 1, written(written_text))
    return job_id


def found(store: Store, *, project: str | None = "default", newest_first: bool = True, **wanted: Any) -> list[str]:
    """The ids of the jobs that a filter finds, read in pages of two."""
    ids: list[str] = []
    more = True
    while more:
        after = ids[-1] if ids else None
        page, more = list_jobs(
            store.database, JobFilter(**wanted), project=project, after=after, limit=2, newest_first=newest_first
        )
        assert len(page) == 2 or not more
        ids += [job.id for job in page]
    return ids


def plan_of(store: Store, **wanted: Any) -> str:
    """How SQLite reads a page of these jobs."""
    with plans_of(store.database) as plans:
        list_jobs(store.database, JobFilter(**wanted), project="default", after="job_9", limit=5)
    [plan] = [plan for statement, plan in plans if statement.startswith("SELECT jobs.")]
    return "; ".join(plan)


@pytest.mark.parametrize("newest_first", [True, False])
def test_the_index_finds_what_a_look_at_each_text_finds(store: Store, newest_first: bool) -> None:
    rng = Random(7)
    stored = {}
    for _ in range(40):
        chars = "".join(rng.choices(LETTERS, k=rng.randrange(0, 30)))
        stored[completed(store, chars)] = chars
    somewhere = [
        chars[start : start + length] for chars in stored.values() for start, length in [(2, 3), (5, 1), (0, 6)]
    ]
    asked = ["a", "名", "字名", "zzz", "ab", *rng.sample([one for one in somewhere if one], 25)]
    for wanted in asked:
        expected = sorted(job_id for job_id, chars in stored.items() if wanted.lower() in chars.lower())
        assert found(store, text=wanted, newest_first=newest_first) == expected[:: -1 if newest_first else 1]


def test_letters_that_change_their_length_or_their_form_in_lower_case_are_found(sqlite_store: Store) -> None:
    ids = [completed(sqlite_store, written_text) for written_text in ("DİYARBAKIR", "ΟΔΟΣ ΟΔΟΣ", "Kelvin \u212a")]
    completed(sqlite_store, "the newest")
    for job_id, wanted in ((0, "DİYAR"), (1, "οδος"), (1, "ΟΔΟΣ"), (1, "οδοσ ο"), (1, "σ"), (1, "ς "), (2, "n k")):
        assert found(sqlite_store, text=wanted) == [ids[job_id]]


def test_what_a_running_job_has_written_so_far_is_found(store: Store) -> None:
    running = store.running()
    renew(store.database, "w1", [Checkpoint(running, 1, "a lighthouse so far")], LEASE)
    completed(store, "another"), completed(store, "one more")
    assert found(store, text="lighthouse") == [running]


def test_a_text_is_found_by_what_it_is_now(store: Store) -> None:
    job_id = store.running()
    fail(store.database, job_id, 1, written("the first lighthouse"), REFUSED)
    completed(store, "another"), completed(store, "one more")
    assert found(store, text="lighthouse") == [job_id]
    retry_job(store.database, job_id, None)
    assert found(store, text="lighthouse") == [job_id]
    store.claim(job_id)
    renew(store.database, "w1", [Checkpoint(job_id, 2, "a second harbour")], LEASE)
    assert (found(store, text="lighthouse"), found(store, text="harbour")) == ([], [job_id])
    finish(store.database, job_id, 2, written("a second castle"))
    assert (found(store, text="harbour"), found(store, text="castle")) == ([], [job_id])


def test_what_a_lost_job_had_written_is_found_when_it_has_ended(store: Store) -> None:
    job_id = store.submit()
    for attempt in (1, 2, 3):
        store.claim(job_id)
        renew(store.database, "w1", [Checkpoint(job_id, attempt, f"lighthouse {attempt}")], LEASE)
        store.clock.advance(LEASE + 1)
        rescue_lost(store.database)
    assert store.job(job_id).status is JobStatus.FAILED
    completed(store, "another"), completed(store, "one more")
    assert found(store, text="lighthouse 3") == [job_id]
    with store.database.read() as connection:
        assert connection.scalars(select(texts.c.job_id).where(~texts.c.ended)).all() == []


def test_an_erased_text_leaves_nothing_in_the_index(sqlite_store: Store) -> None:
    for written_text in ("a lighthouse", "名字 and more", ""):
        completed(sqlite_store, written_text)
    with sqlite_store.database.write() as connection:
        assert connection.scalar(text("SELECT count(*) FROM text_gram_list"))
        connection.execute(delete(texts))
        assert connection.scalar(text("SELECT count(*) FROM text_gram_list")) == 0
        assert connection.scalar(text("SELECT count(*) FROM text_numbers")) == 0


def test_a_transaction_that_is_taken_back_takes_its_index_back(sqlite_store: Store) -> None:
    job_id = completed(sqlite_store, "a lighthouse")
    with sqlite_store.database.write() as connection:
        connection.execute(delete(texts))
        connection.rollback()
    with sqlite_store.database.read() as connection:
        assert find_with_text(connection, "lighthouse", beyond="", newest_first=False) == [job_id]


def test_the_index_gives_candidates_and_not_everything(sqlite_store: Store) -> None:
    wanted = completed(sqlite_store, "a lighthouse")
    completed(sqlite_store, "a harbour")
    with sqlite_store.database.read() as connection:
        for some in ("lighthouse", "LIGHT", "li", "ho", "use"):
            assert find_with_text(connection, some.lower(), beyond="", newest_first=False) == [wanted]


def test_an_index_made_later_holds_what_was_there(sqlite_store: Store) -> None:
    with sqlite_store.database.write() as connection:
        for name in ("added", "removed", "ended", "resumed", "changed"):
            connection.execute(text(f"DROP TRIGGER text_{name}"))
        drop_text_index(connection)
    job_id = completed(sqlite_store, "a lighthouse")
    for place in range(3):
        completed(sqlite_store, f"another {place}")
    assert found(sqlite_store, text="lighthouse") == [job_id]
    with sqlite_store.database.write() as connection:
        make_text_index(connection)
        make_text_index(connection)
        assert find_with_text(connection, "lighthouse", beyond="", newest_first=False) == [job_id]
    assert found(sqlite_store, text="lighthouse") == [job_id]


def test_another_projects_text_is_not_found(store: Store) -> None:
    theirs = submit_job(store.database, new_job(), project="theirs").id
    store.claim(theirs)
    finish(store.database, theirs, 1, written("a lighthouse"))
    completed(store, "another"), completed(store, "one more")
    assert found(store, text="lighthouse") == []
    assert found(store, text="lighthouse", project="theirs") == [theirs]


def test_other_filters_hold_for_what_the_index_finds(store: Store) -> None:
    wanted = completed(store, "a lighthouse", model="m2", metadata={"topic": "sea"})
    completed(store, "a lighthouse", model="m1", metadata={"topic": "sea"})
    completed(store, "a lighthouse", model="m2", metadata={"topic": "land"})
    completed(store, "nothing", model="m2", metadata={"topic": "sea"})
    assert found(store, text="lighthouse", model="m2", metadata={"topic": "sea"}) == [wanted]


def test_metadata_are_found_by_project_and_by_every_pair(store: Store) -> None:
    first, second = (store.submit(metadata={"topic": "sea", "order": order}) for order in "12")
    theirs = submit_job(store.database, new_job(metadata={"topic": "sea"}), project="theirs").id
    assert found(store, metadata={"topic": "sea"}) == [second, first]
    assert found(store, metadata={"topic": "sea", "order": "1"}) == [first]
    assert found(store, metadata={"order": "1", "topic": "land"}) == []
    assert found(store, metadata={"topic": "sea"}, project="theirs") == [theirs]
    assert found(store, metadata={"topic": "sea"}, project=None) == [theirs, second, first]


def test_two_pairs_of_one_number_are_told_apart(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (jobs.store.metadata_pairs, jobs.store.search):
        monkeypatch.setattr(module, "pair_number", lambda key, _value: len(key))
    wanted = store.submit(metadata={"topic": "sea"})
    store.submit(metadata={"topic": "land"})
    store.submit(metadata={"tipoc": "sea"})
    assert found(store, metadata={"topic": "sea"}) == [wanted]


def test_the_pairs_of_a_deleted_job_go_with_it(store: Store) -> None:
    gone, kept = (store.submit(metadata={"topic": "sea", "文": '"'}) for _ in range(2))
    with store.database.write() as connection:
        jobs.store.metadata_pairs.remove_pairs(connection, [gone])
        assert set(connection.scalars(select(metadata_pairs.c.job_id))) == {kept}


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_page_after_a_job_stays_within_the_times_that_were_asked(store: Store, newest_first: bool) -> None:
    ids = []
    for _ in range(6):
        ids.append(store.submit())
        store.clock.advance(700)
    times = [store.job(job_id).created_at for job_id in ids]
    for first, last in ((0, 5), (1, 4), (2, 2), (4, 1)):
        for after in (None, *ids):
            expected = [job_id for job_id, made in zip(ids, times, strict=True) if times[first] <= made < times[last]]
            expected = [one for one in expected if after is None or (one < after if newest_first else one > after)]
            wanted = JobFilter(created_after=times[first], created_before=times[last])
            page, _ = list_jobs(
                store.database, wanted, project="default", after=after, limit=9, newest_first=newest_first
            )
            assert [job.id for job in page] == expected[:: -1 if newest_first else 1]


@pytest.mark.parametrize(
    ("wanted", "way"),
    [
        ({}, "jobs_of_project (project=? AND id<?)"),
        ({"status": JobStatus.FAILED}, "jobs_by_status (project=? AND status=? AND id<?)"),
        ({"model": "m1"}, "jobs_by_model (project=? AND model=? AND id<?)"),
        (
            {"model": "m1", "status": JobStatus.FAILED},
            "jobs_by_model_and_status (project=? AND model=? AND status=? AND id<?)",
        ),
        ({"custom_id": "c", "batch_id": "b", "model": "m1"}, "jobs_by_custom_id (project=? AND custom_id=? AND id<?)"),
        ({"batch_id": "b"}, "jobs_in_batch (batch_id=? AND id<?)"),
        ({"batch_id": "b", "model": "m1"}, "jobs_in_batch (batch_id=? AND id<?)"),
        ({"alone": True}, "jobs_in_batch (batch_id=? AND id<?)"),
        ({"alone": True, "status": JobStatus.FAILED}, "jobs_in_batch (batch_id=? AND id<?)"),
        ({"metadata": {"a": "b"}}, "metadata_pairs USING PRIMARY KEY (project=? AND pair=? AND job_id<?)"),
        (
            {"metadata": {"a": "b"}, "status": JobStatus.FAILED, "batch_id": "b"},
            "metadata_pairs USING PRIMARY KEY (project=? AND pair=? AND job_id<?)",
        ),
    ],
)
def test_sqlite_reads_a_page_in_order_through_the_right_index(
    sqlite_database: Database, wanted: dict[str, Any], way: str
) -> None:
    plan = plan_of(Store(sqlite_database), **wanted)
    assert way in plan
    assert "TEMP B-TREE" not in plan


def test_created_before_looks_up_by_the_lower_of_two_bounds(sqlite_database: Database) -> None:
    store = Store(sqlite_database)
    plan = plan_of(store, created_before=store.clock.now - timedelta(days=1))
    assert "jobs_of_project (project=? AND id<?)" in plan

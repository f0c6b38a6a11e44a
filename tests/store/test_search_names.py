"""What a person types into a search also finds jobs by how their custom_id begins, wherever they are."""

import pytest
from sqlalchemy import Connection, text

from jobs.intake.submission import submit_job
from jobs.store import search
from jobs.store.database import open_database
from jobs.store.search import JobFilter, list_jobs
from migrations import migrate
from tests.store.plans import plans_of
from tests.store.searching import completed, found, store
from tests.store.store_fixtures import Store, new_job

__all__ = ["store"]  # a fixture


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_job_is_found_by_the_beginning_of_its_name_or_by_its_text(store: Store, newest_first: bool) -> None:
    tea = store.submit(custom_id="tea-001")
    told = completed(store, "All about tea-001 and others", custom_id="other")
    green = completed(store, "something", custom_id="tea-002")
    completed(store, "a harbour", custom_id="not-tea-001"), completed(store, "a bridge", custom_id="te")
    expected = {"tea-001": [told, tea], "tea-00": [green, told, tea], "tea-002": [green], "tea-0011": [], "EA-": [told]}
    for sought, ids in expected.items():
        assert found(store, text=sought, newest_first=newest_first) == ids[:: 1 if newest_first else -1]


@pytest.mark.parametrize("name", ["tea_1", "tea%1", "Ünï-1", "名字-1", "a b", "😀-1", "Z-1", "'--", "\\x"])
def test_any_letter_of_a_name_stands_for_itself(store: Store, name: str) -> None:
    wanted = store.submit(custom_id=name)
    for other in ("teaX1", "tea", "unï-1", "名", "z-1", "A", "~", None):
        store.submit(custom_id=other)
    assert found(store, text=name) == [wanted]
    assert wanted in found(store, text=name[:2])


@pytest.mark.parametrize("beginning", ["tea", "tea\U0010ffff", "\U0010ffff", "\ud7ff"])
def test_a_name_may_go_on_with_the_last_character_of_unicode(store: Store, beginning: str) -> None:
    ids = [store.submit(custom_id=beginning + rest) for rest in ("", "\U0010ffff", "\U0010ffff-1", "-1")]
    for other in ("te", "teb", "tdz", "z", "\ue000", "\ud7fe"):
        store.submit(custom_id=other)
    assert found(store, text=beginning) == ids[::-1]


def test_capitals_of_a_name_count(store: Store) -> None:
    wanted = store.submit(custom_id="Tea-1")
    store.submit(custom_id="tea-1"), store.submit(custom_id="TEA-1")
    assert found(store, text="Tea") == [wanted]


def test_another_projects_name_is_not_found(store: Store) -> None:
    theirs = submit_job(store.database, new_job(custom_id="tea-1"), project="theirs").id
    mine = store.submit(custom_id="tea-2")
    store.submit(), store.submit()
    assert found(store, text="tea-") == [mine]
    assert found(store, text="tea-1") == []
    assert found(store, text="tea-", project="theirs") == [theirs]


def test_other_filters_hold_for_what_is_found_by_its_name(store: Store) -> None:
    wanted = store.submit(custom_id="tea-1", model="m2", metadata={"topic": "sea"})
    store.submit(custom_id="tea-2", model="m1", metadata={"topic": "sea"})
    store.submit(custom_id="tea-3", model="m2", metadata={"topic": "land"})
    store.submit(custom_id="rain", model="m2", metadata={"topic": "sea"})
    assert found(store, text="tea", model="m2", metadata={"topic": "sea"}) == [wanted]


@pytest.mark.parametrize("kind", ["sqlite_database", "trigram_database"])
def test_a_name_among_many_jobs_is_found_by_the_index_of_names(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """In the order of a language PostgreSQL would read every name."""
    for name in ("_WALK", "_WALK_ON_POSTGRESQL"):
        monkeypatch.setattr(search, name, 1)
    store = Store(request.getfixturevalue(kind))
    rare = store.submit(custom_id="tea-1")
    store.submit_batch(8000, custom_id="rain")
    if not store.database.is_sqlite:
        with store.database.write() as connection:
            connection.execute(text("ANALYZE jobs"))
    with plans_of(store.database) as plans:
        page, _ = list_jobs(store.database, JobFilter(text="tea-"), project="default", after=None, limit=5)
    assert [job.id for job in page] == [rare]
    of_names = (plan for statement, plan in plans if "custom_id" in statement and "FROM texts" not in statement)
    plan = "; ".join(next(of_names))
    assert "jobs_by_custom_id" in plan
    assert "jobs_of_project" not in plan


def definition(connection: Connection) -> str:
    return str(connection.scalar(text("SELECT pg_get_indexdef(to_regclass('jobs_by_custom_id'))")))


@pytest.mark.parametrize(
    "left",
    [
        ["CREATE INDEX jobs_by_custom_id ON jobs (project, custom_id, id) WHERE custom_id IS NOT NULL"],
        ["CREATE INDEX jobs_by_custom_id_new ON jobs (project, custom_id text_pattern_ops, id)"],
        [],
    ],
    ids=["the one of an earlier version", "a new one that was not renamed", "none"],
)
def test_whatever_index_of_names_there_is_becomes_the_one_by_bytes(postgres_url: str, left: list[str]) -> None:
    opened = open_database(postgres_url)
    with opened.write() as connection:
        wanted = definition(connection)
        for statement in ("DROP INDEX jobs_by_custom_id", *left):
            connection.execute(text(statement))
        assert definition(connection) != wanted
    opened.close()
    migrate(postgres_url)
    opened = open_database(postgres_url)
    try:
        with opened.read() as connection:
            assert "text_pattern_ops" in definition(connection)
            assert connection.scalar(text("SELECT to_regclass('jobs_by_custom_id_new')")) is None
    finally:
        opened.close()

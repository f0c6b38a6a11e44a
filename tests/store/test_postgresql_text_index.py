"""The index of texts on PostgreSQL holds no very long text, and is made while jobs end."""

import threading
from random import Random

import pytest
from sqlalchemy import text, update

from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.transitions import finish
from jobs.store.database import Database
from jobs.store.postgresql_text_index import MOST_INDEXED_BYTES
from jobs.store.text_index import find_with_text, has_text_index
from jobs.tables import texts
from migrations import migrate
from tests.store.plans import plans_of
from tests.store.searching import completed, found
from tests.store.searching import store as any_store
from tests.store.store_fixtures import LEASE, Store, written

__all__ = ["any_store"]  # a fixture

LONG = "word " * (MOST_INDEXED_BYTES // 5)
OF_EARLIER = "CREATE INDEX texts_by_trigram ON texts USING gin (text gin_trgm_ops) WHERE ended"
OURS = {"texts_long", "texts_short_by_trigram"}


@pytest.fixture
def trigram_store(trigram_database: Database) -> Store:
    return Store(trigram_database)


def url_of(store: Store) -> str:
    return store.database.engine.url.render_as_string(hide_password=False)


def run(store: Store, statement: str) -> None:
    with store.database.write() as connection:
        connection.exec_driver_sql(statement)


def text_indexes(store: Store) -> set[str]:
    """The names of all valid indexes of the texts but those that migrations make."""
    wanted = "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = 'texts'::regclass AND indisvalid"
    with store.database.read() as connection:
        return set(connection.scalars(text(wanted))) - {"texts_pkey", "texts_unended"}


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_text_longer_than_the_bound_is_among_what_any_search_reads(trigram_store: Store, more: int) -> None:
    whole = "名 lighthouse" + "x" * MOST_INDEXED_BYTES
    job_id = completed(trigram_store, whole.encode()[: MOST_INDEXED_BYTES + more].decode())
    with trigram_store.database.read() as connection:
        assert find_with_text(connection, "lightHOUSE", beyond="", newest_first=False) == [job_id]
        others = find_with_text(connection, "harbour", beyond="", newest_first=False)
    assert others == ([job_id] if more > 0 else [])


def test_short_and_long_and_unended_texts_are_each_found_by_their_index(trigram_store: Store) -> None:
    many = "SELECT 'job_' || n, 1, md5(n::text) || repeat('long ', CASE WHEN mod(n, 500) = 0 THEN 50000 ELSE 30 END)"
    many += ", mod(n, 400) != 1 FROM generate_series(1, 8000) n"
    run(trigram_store, f"INSERT INTO texts (job_id, attempt, text, ended) {many}")
    for statement in ("REINDEX INDEX texts_short_by_trigram", "ANALYZE texts"):  # as the vacuum leaves them
        run(trigram_store, statement)
    for beyond, newest_first in (("job_5", True), ("job_9", True), ("", False), ("job_4", False)):
        with plans_of(trigram_store.database) as plans, trigram_store.database.read() as connection:
            assert find_with_text(connection, "100% sure", beyond=beyond, newest_first=newest_first)
        [plan] = ["; ".join(plan) for statement, plan in plans if "ILIKE" in statement]
        for index in ("texts_long", "texts_short_by_trigram", "texts_unended"):
            assert f" {index} " in plan
        assert "Seq Scan" not in plan


def test_texts_of_any_length_are_found_whatever_stands_in_them(any_store: Store) -> None:
    rng = Random(3)
    stored, asked = {}, ["a%", "_/", "\\", "WORD w", "zzz"]
    for place in range(12):
        mark = "".join(rng.choices("aAbB%_/\\é名", k=12))
        asked.append(mark[3:7])
        job_id = any_store.running()
        stored[job_id] = rng.choice(["", LONG]) + mark + rng.choice(["", LONG])
        if place % 4:
            assert finish(any_store.database, job_id, 1, written(stored[job_id]))
        else:
            renew(any_store.database, "w1", [Checkpoint(job_id, 1, stored[job_id])], LEASE)
    for wanted in asked:
        expected = sorted((one for one, whole in stored.items() if wanted.lower() in whole.lower()), reverse=True)
        assert found(any_store, text=wanted) == expected


def test_the_index_of_an_earlier_version_is_replaced(trigram_store: Store) -> None:
    for name in OURS:
        run(trigram_store, f"DROP INDEX {name}")
    run(trigram_store, OF_EARLIER)
    job_ids = [completed(trigram_store, some + "a lighthouse") for some in ("", LONG)]
    with trigram_store.database.read() as connection:
        assert not has_text_index(connection)
    assert found(trigram_store, text="lighthouse") == job_ids[::-1]
    for _ in range(2):
        migrate(url_of(trigram_store))
        assert text_indexes(trigram_store) == OURS
    with trigram_store.database.read() as connection:
        assert find_with_text(connection, "lighthouse", beyond="", newest_first=False) == job_ids


@pytest.mark.parametrize("name", sorted(OURS))
def test_an_index_whose_making_was_broken_off_is_made_anew(trigram_store: Store, name: str) -> None:
    run(trigram_store, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")  # noqa: S608
    assert text_indexes(trigram_store) == OURS - {name}
    migrate(url_of(trigram_store))
    assert text_indexes(trigram_store) == OURS


def test_jobs_end_while_the_index_is_made(trigram_store: Store) -> None:
    """An index of a million texts takes minutes, and the old workers go on meanwhile."""
    for name in OURS:
        run(trigram_store, f"DROP INDEX {name}")
    slow, other = trigram_store.running(), trigram_store.running()
    making = threading.Thread(target=migrate, args=(url_of(trigram_store),))
    with trigram_store.database.write() as connection:
        connection.execute(update(texts).where(texts.c.job_id == slow).values(text="not committed"))
        making.start()
        making.join(2)
        assert finish(trigram_store.database, other, 1, written("a lighthouse"))
        assert making.is_alive()  # it waits for the transaction that writes
    making.join(30)
    assert text_indexes(trigram_store) == OURS
    assert found(trigram_store, text="lighthouse") == [other]

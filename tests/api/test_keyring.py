"""What an API process remembers of keys, and for how long."""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from api.access.keyring import MOST_TOGETHER, REMEMBERED_SECONDS, Keyring
from api.access.shared_lookups import SharedLookups
from jobs.store.database import Database
from jobs.store.keys import ApiKey, create_key, revoke_key


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What the database is asked."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


class Hand:
    """A clock that is moved by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_found_key_is_asked_for_once_in_five_seconds_and_a_revoked_one_then_opens_nothing(
    sqlite_database: Database,
) -> None:
    clock = Hand()
    keyring = Keyring(sqlite_database, clock)
    key, secret = create_key(sqlite_database, project="blue")
    with statements(sqlite_database) as asked:
        for _ in range(100):
            assert asyncio.run(keyring.find(secret)) == key
    assert len([one for one in asked if "api_keys" in one]) == 1
    revoke_key(sqlite_database, key.id)
    assert asyncio.run(keyring.find(secret)) == key
    clock.seconds = REMEMBERED_SECONDS
    assert asyncio.run(keyring.find(secret)) is None
    assert REMEMBERED_SECONDS <= 10


def test_strangers_take_no_room_and_what_cannot_be_a_key_no_look_at_the_database(sqlite_database: Database) -> None:
    keyring = Keyring(sqlite_database)
    with statements(sqlite_database) as asked:
        for secret in ("", "sk-1", "lh_", "lh_" + "a" * 42, "lh_" + "é" * 43, "lh_" + "a" * 43 + "\n", "x" * 100_000):
            assert asyncio.run(keyring.find(secret)) is None
    assert asked == []
    for number in range(50):
        assert asyncio.run(keyring.find(f"lh_{number:043}")) is None
    assert keyring._known == {}


def test_once_there_was_a_key_nobody_is_asked_again_and_it_stays_closed(sqlite_database: Database) -> None:
    clock = Hand()
    keyring = Keyring(sqlite_database, clock)
    assert not asyncio.run(keyring.requires_keys())
    key, _ = create_key(sqlite_database)
    assert not asyncio.run(keyring.requires_keys())
    clock.seconds = REMEMBERED_SECONDS
    assert asyncio.run(keyring.requires_keys())
    revoke_key(sqlite_database, key.id)
    clock.seconds = 1e9
    with statements(sqlite_database) as asked:
        assert asyncio.run(keyring.requires_keys())
    assert asked == []
    assert asyncio.run(Keyring(sqlite_database).requires_keys())


def test_keys_that_are_asked_for_at_once_are_looked_up_together(sqlite_database: Database) -> None:
    """A thousand keys that there are not had a look at the database each, and a good one waited for them."""
    keyring = Keyring(sqlite_database)
    key, secret = create_key(sqlite_database)

    async def ask() -> list[ApiKey | None]:
        strangers = [keyring.find(f"lh_{number:043}") for number in range(1_000)]
        return await asyncio.gather(*strangers, keyring.find(secret), keyring.find(secret))

    with statements(sqlite_database) as asked:
        found = asyncio.run(ask())
    assert found == [None] * 1_000 + [key, key]
    assert len([one for one in asked if "api_keys" in one]) <= 1_000 // MOST_TOGETHER + 2


def test_an_error_of_a_look_up_is_everybodys_who_waits_for_it_and_the_next_one_reads_again() -> None:
    reads: list[list[str]] = []
    is_reading = asyncio.Event()

    async def read(names: Collection[str]) -> dict[str, ApiKey]:
        reads.append(list(names))
        is_reading.set()
        await asyncio.sleep(0)
        if len(reads) == 1:
            raise OSError("away")
        return {}

    async def ask() -> None:
        lookups = SharedLookups(read, together=2, reads_at_once=2)
        first, second = asyncio.create_task(lookups.find("a")), asyncio.create_task(lookups.find("b"))
        await is_reading.wait()
        later = asyncio.create_task(lookups.find("a"))  # what is being read may be older than this question
        for one in (first, second):
            with pytest.raises(OSError, match="away"):
                await one
        assert await later is None

    asyncio.run(ask())
    assert reads == [["a", "b"], ["a"]]

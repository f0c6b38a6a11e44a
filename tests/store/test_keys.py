"""API keys: what is kept of them, who finds them, and what revoking does."""

import re
from hashlib import sha256

import pytest
from sqlalchemy import select

from jobs.store.keys import (
    KeyRefusedError,
    any_keys,
    create_key,
    digest_of,
    find_keys_by_digest,
    find_keys_by_id,
    list_keys,
    read_token_secret,
    revoke_key,
)
from jobs.tables import api_keys
from tests.store.store_fixtures import Store, at_once, postgres_store, store

__all__ = ["postgres_store", "store"]  # fixtures


def test_a_secret_is_long_random_and_kept_as_prefix_and_hash_alone(store: Store) -> None:
    key, secret = create_key(store.database, project="blue", name="the newsroom")
    assert re.fullmatch(r"lh_[A-Za-z0-9_-]{43}", secret)
    with store.database.read() as connection:
        [row] = connection.execute(select(api_keys)).mappings()
    assert dict(row) == {
        "id": key.id,
        "project": "blue",
        "name": "the newsroom",
        "prefix": secret[:10],
        "sha256": sha256(secret.encode()).hexdigest(),
        "created_at": store.clock.now,
        "revoked_at": None,
    }
    assert create_key(store.database)[1] != secret


def test_a_key_is_found_by_its_secret_and_its_id_until_it_is_revoked(store: Store) -> None:
    key, secret = create_key(store.database, project="blue")
    other, _ = create_key(store.database)
    digest = digest_of(secret)
    assert find_keys_by_digest(store.database, [digest_of(secret + "x"), digest]) == {digest: key}
    assert find_keys_by_id(store.database, [key.id, other.id]) == {key.id: key, other.id: other}
    store.clock.advance(60)
    revoked = revoke_key(store.database, key.id)
    assert revoked.revoked_at == store.clock.now
    assert find_keys_by_digest(store.database, [digest]) == {}
    assert find_keys_by_id(store.database, [key.id, other.id]) == {other.id: other}


def test_revoking_again_changes_nothing_and_revoking_the_last_one_opens_nothing(store: Store) -> None:
    assert not any_keys(store.database)
    key, secret = create_key(store.database)
    first = revoke_key(store.database, secret[:10])
    store.clock.advance(60)
    assert revoke_key(store.database, key.id) == first
    assert any_keys(store.database)
    assert [listed.revoked_at for listed in list_keys(store.database)] == [first.revoked_at]


def test_a_prefix_of_two_keys_revokes_neither(store: Store) -> None:
    for key in ("key_1", "key_2"):
        with store.database.write() as connection:
            connection.execute(
                api_keys.insert().values(
                    id=key, project="p", name="", prefix="lh_aaaaaaa", sha256=key, created_at=store.clock.now
                )
            )
    with pytest.raises(KeyRefusedError, match="2 keys begin with 'lh_aaaaaaa': name one by its id"):
        revoke_key(store.database, "lh_aaaaaaa")
    assert [key.revoked_at for key in list_keys(store.database)] == [None, None]


def test_a_key_that_is_not_there_is_named_and_a_secret_is_not_said_again(store: Store) -> None:
    with pytest.raises(KeyRefusedError, match="no key has the id or the prefix 'key_none'"):
        revoke_key(store.database, "key_none")
    _, secret = create_key(store.database)
    with pytest.raises(KeyRefusedError, match="this is the secret itself") as refused:
        revoke_key(store.database, secret)
    assert secret not in str(refused.value)


@pytest.mark.parametrize("project", ["", "Blue", "a b", "-a", "a" * 65, "a\n", "é"])
def test_a_project_has_a_plain_name(store: Store, project: str) -> None:
    with pytest.raises(KeyRefusedError, match="is no name for a project"):
        create_key(store.database, project=project)
    assert not any_keys(store.database)


def test_all_processes_read_one_token_secret_whoever_asks_first(store: Store) -> None:
    found = at_once([lambda: read_token_secret(store.database)] * 4)
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    assert read_token_secret(store.database) == found[0]

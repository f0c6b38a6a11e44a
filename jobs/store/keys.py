"""API keys: who may call, and for which project. The secret is shown once; only its prefix and SHA-256 are stored.

A row is never deleted. Once there has been a key, keys are required, even when all of them have been revoked: a service
that was closed must not open by itself.
"""

import re
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import RowMapping, insert, select, update

from jobs.model.ids import new_id
from jobs.store.database import Database, insert_into
from jobs.tables import DEFAULT_PROJECT, api_keys, jobs, server_secrets

PREFIX_CHARS = 10
"""How much of a secret is stored readably: `lh_` and 7 of its 43 random characters, so that a person recognises it."""

_SECRET = re.compile(r"lh_[A-Za-z0-9_-]{43}")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_LONGEST_NAME = 200
_WATCH_TOKENS = "watch_tokens"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key: everything but the secret."""

    id: str
    project: str
    name: str
    prefix: str
    created_at: datetime
    revoked_at: datetime | None


class KeyRefusedError(Exception):
    """A key that cannot be made or revoked; the message is one line for the person who asked."""


def looks_like_key(secret: str) -> bool:
    """Whether this has the form of a secret; anything else is refused without asking the database."""
    return _SECRET.fullmatch(secret) is not None


def digest_of(secret: str) -> str:
    """The SHA-256 of a secret, as stored. The secret is 256 random bits, so salt or a slow hash would add nothing."""
    return sha256(secret.encode()).hexdigest()


def create_key(database: Database, *, project: str = DEFAULT_PROJECT, name: str = "") -> tuple[ApiKey, str]:
    """Make a key. Returns it with its secret, which cannot be read again. Raises `KeyRefusedError` for a bad name."""
    if not _PROJECT.fullmatch(project):
        raise KeyRefusedError(
            f"{project[:80]!r} is no name for a project: take 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with"
            " a letter or a digit"
        )
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise KeyRefusedError(f"the name of a key is one line of at most {_LONGEST_NAME} characters")
    secret = "lh_" + secrets.token_urlsafe(32)
    key = ApiKey(new_id("key"), project, name, secret[:PREFIX_CHARS], database.now(), None)
    with database.write() as connection:
        connection.execute(insert(api_keys).values(**asdict(key), sha256=digest_of(secret)))
    return key, secret


def list_keys(database: Database) -> list[ApiKey]:
    """Every key, the oldest first, revoked ones too."""
    with database.read() as connection:
        return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.id)).mappings()]


def revoke_key(database: Database, id_or_prefix: str) -> ApiKey:
    """Revoke a key, named by its id or its prefix. Revoking it again changes nothing.

    Raises `KeyRefusedError` when there is no such key, or more than one.
    """
    if looks_like_key(id_or_prefix):
        raise KeyRefusedError("this is the secret itself: name the key by its id or its first 10 characters")
    named = (api_keys.c.id == id_or_prefix) | (api_keys.c.prefix == id_or_prefix)
    with database.write() as connection:
        found = connection.execute(select(api_keys).where(named).order_by(api_keys.c.id)).mappings().all()
        if not found:
            raise KeyRefusedError(
                f"no key has the id or the prefix {id_or_prefix[:80]!r}; `longhand keys list` shows them"
            )
        if len(found) > 1:
            ids = ", ".join(row["id"] for row in found)
            raise KeyRefusedError(f"{len(found)} keys begin with {id_or_prefix!r}: name one by its id ({ids})")
        changed = update(api_keys).where(api_keys.c.id == found[0]["id"], api_keys.c.revoked_at.is_(None))
        connection.execute(changed.values(revoked_at=database.now()))
        row = connection.execute(select(api_keys).where(api_keys.c.id == found[0]["id"])).mappings().one()
    return _key(row)


def find_keys_by_digest(database: Database, digests: Collection[str]) -> dict[str, ApiKey]:
    """The unrevoked keys whose secrets have one of these SHA-256, by that."""
    return _find(database, "sha256", digests)


def find_keys_by_id(database: Database, key_ids: Collection[str]) -> dict[str, ApiKey]:
    """The unrevoked keys with one of these ids, by that."""
    return _find(database, "id", key_ids)


def any_keys(database: Database) -> bool:
    """Whether there has ever been a key, revoked or not; then keys are required."""
    with database.read() as connection:
        return connection.scalar(select(api_keys.c.id).limit(1)) is not None


def find_hidden_projects(database: Database, project: str) -> list[str]:
    """Up to three projects that have jobs while this one has none yet: its key will show none of them."""
    wanted = select(jobs.c.project).order_by(jobs.c.project).limit(1)
    found: list[str] = []
    with database.read() as connection:
        if connection.scalar(wanted.where(jobs.c.project == project)) is not None:
            return []
        # From each to the next: a million jobs of one project cost as much as one.
        while len(found) < 3:
            after = found[-1] if found else ""
            following = connection.scalar(wanted.where(jobs.c.project > after))
            if following is None:
                break
            found.append(following)
    return found


def read_token_secret(database: Database) -> bytes:
    """The secret that signs watch tokens. The first API process that asks makes it, and all of them share it."""
    secret = select(server_secrets.c.value).where(server_secrets.c.name == _WATCH_TOKENS)
    with database.read() as connection:
        known = connection.scalar(secret)
    if known is not None:
        return bytes.fromhex(known)
    made = {"name": _WATCH_TOKENS, "value": secrets.token_hex(32), "created_at": database.now()}
    with database.write() as connection:
        row = insert_into(connection, server_secrets).values(made)
        connection.execute(row.on_conflict_do_nothing(index_elements=[server_secrets.c.name]))
        stored = connection.execute(secret).scalar_one()
    return bytes.fromhex(stored)


def _find(database: Database, column: str, values: Collection[str]) -> dict[str, ApiKey]:
    wanted = select(api_keys).where(api_keys.c[column].in_(values), api_keys.c.revoked_at.is_(None))
    with database.read() as connection:
        return {row[column]: _key(row) for row in connection.execute(wanted).mappings()}


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(row["id"], row["project"], row["name"], row["prefix"], row["created_at"], row["revoked_at"])

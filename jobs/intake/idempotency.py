"""Idempotency keys: a repeated submission creates nothing and returns what the first one created."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import Connection, delete, select, tuple_, update

from jobs.store.database import Database, insert_into
from jobs.tables import idempotency_keys


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The client's key for one submission, and the fingerprint of what it submitted with it."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, path: str, body: bytes) -> "IdempotencyKey":
        """The key, with the SHA-256 of the path and the body of its POST.

        All paths share one table, and the same body means different things to `/v1/jobs` and `/v1/chat/completions`.
        """
        return cls(key, sha256(f"POST {path}\n".encode() + body).hexdigest())


ERASED = "erased:"
"""How the key of what was deleted begins. No client may send such a key: it would stand in the way of the real one."""

_MOST_FORGOTTEN = 1000


class KeyReusedError(Exception):
    """An `Idempotency-Key` was used before, with another body or for another path."""


def hold_key(
    connection: Connection,
    database: Database,
    project: str,
    idempotency_key: IdempotencyKey | None,
    resource_id: str,
) -> str | None:
    """Take the key for this submission, or return what an earlier submission made with it. Raises `KeyReusedError`."""
    if idempotency_key is None:
        return None
    taken = connection.execute(
        insert_into(connection, idempotency_keys)
        .values(
            project=project,
            key=idempotency_key.key,
            fingerprint=idempotency_key.fingerprint,
            resource_id=resource_id,
            created_at=database.now(),
        )
        # PostgreSQL waits here for a submission with the same key that has not committed yet.
        .on_conflict_do_nothing(index_elements=[idempotency_keys.c.project, idempotency_keys.c.key])
        # Not the row count: SQLAlchemy gives -1 for an INSERT on PostgreSQL.
        .returning(idempotency_keys.c.key)
    )
    if taken.one_or_none() is not None:
        return _erased_resource(connection, project, idempotency_key)
    held = _resource_of(connection, project, idempotency_key)
    if held is None:  # `forget_keys` has just deleted it
        return hold_key(connection, database, project, idempotency_key, resource_id)
    return held


def find_key(database: Database, project: str, idempotency_key: IdempotencyKey) -> str | None:
    """What an earlier submission made with this key; None when there was none. Raises `KeyReusedError`."""
    with database.read() as connection:
        erased = replace(idempotency_key, key=_digest_of(project, idempotency_key.key))
        return _resource_of(connection, project, idempotency_key) or _resource_of(connection, project, erased)


def erase_keys(connection: Connection, resource_ids: Collection[str]) -> None:
    """Forget the words of the keys with which these were submitted, and keep that they were used: a retry that comes
    late must not pay for a job again that was deleted meanwhile.
    """
    # One that is a hash already stays as it is: hashed again, no retry would find it.
    own = (idempotency_keys.c.resource_id.in_(resource_ids), ~idempotency_keys.c.key.startswith(ERASED))
    for project, key in connection.execute(
        select(idempotency_keys.c.project, idempotency_keys.c.key).where(*own)
    ).all():
        of_project, digest = idempotency_keys.c.project == project, _digest_of(project, key)
        # Earlier versions took such a key from clients. In the way, it would stop all erasing, in every project.
        connection.execute(delete(idempotency_keys).where(of_project, idempotency_keys.c.key == digest))
        same = update(idempotency_keys).where(of_project, idempotency_keys.c.key == key)
        connection.execute(same.values(key=digest))


def _erased_resource(connection: Connection, project: str, idempotency_key: IdempotencyKey) -> str | None:
    """What was made with a key and has been erased since; the key that was just taken is given up again."""
    erased = _resource_of(connection, project, replace(idempotency_key, key=_digest_of(project, idempotency_key.key)))
    if erased is not None:
        own = (idempotency_keys.c.project == project, idempotency_keys.c.key == idempotency_key.key)
        connection.execute(delete(idempotency_keys).where(*own))
    return erased


def _digest_of(project: str, key: str) -> str:
    return ERASED + sha256(f"{project} {key}".encode()).hexdigest()


def _resource_of(connection: Connection, project: str, idempotency_key: IdempotencyKey) -> str | None:
    wanted = select(idempotency_keys.c.fingerprint, idempotency_keys.c.resource_id).where(
        idempotency_keys.c.project == project, idempotency_keys.c.key == idempotency_key.key
    )
    row = connection.execute(wanted).one_or_none()
    if row is None:
        return None
    if row.fingerprint != idempotency_key.fingerprint:
        raise KeyReusedError
    return str(row.resource_id)


def forget_keys(database: Database, older_than_seconds: float) -> int:
    """Forget up to `_MOST_FORGOTTEN` idempotency keys that are older than this, the oldest first. Returns how many."""
    old = idempotency_keys.c.created_at < database.now() - timedelta(seconds=older_than_seconds)
    with database.read() as connection:  # mostly there is none, and no write lock is taken
        if connection.scalar(select(idempotency_keys.c.key).where(old).limit(1)) is None:
            return 0
    identity = tuple_(idempotency_keys.c.project, idempotency_keys.c.key)
    oldest = select(idempotency_keys.c.project, idempotency_keys.c.key).where(old)
    # Another process is deleting the rows that are locked.
    some = oldest.order_by(idempotency_keys.c.created_at).limit(_MOST_FORGOTTEN).with_for_update(skip_locked=True)
    with database.write() as connection:
        return connection.execute(delete(idempotency_keys).where(identity.in_(some))).rowcount

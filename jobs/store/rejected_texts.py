"""The texts that are to be repaired, and why: what the next attempt needs to ask for that, in any process."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from jobs.store.database import insert_into
from jobs.tables import attempts, rejected_texts


@dataclass(frozen=True, slots=True)
class RejectedText:
    """A text that was not accepted, with every reason as a `Rejection`."""

    text: str
    rejections: Sequence[Mapping[str, Any]]


def keep_rejected(connection: Connection, job_id: str, attempt: int, text: str) -> None:
    """Keep this text in place of one that an earlier attempt of the job has left."""
    row = insert_into(connection, rejected_texts)
    changes = {"attempt": row.excluded.attempt, "text": row.excluded.text}
    kept = row.on_conflict_do_update(index_elements=[rejected_texts.c.job_id], set_=changes)
    connection.execute(kept, {"job_id": job_id, "attempt": attempt, "text": text})


def read_rejected(connection: Connection, job_id: str, attempt: int | None) -> RejectedText | None:
    """The text of this attempt, if it is to be repaired."""
    if attempt is None:
        return None
    wanted = (
        select(rejected_texts.c.text, attempts.c.rejections)
        .join(attempts, attempts.c.job_id == rejected_texts.c.job_id)
        .where(rejected_texts.c.job_id == job_id, rejected_texts.c.attempt == attempt, attempts.c.attempt == attempt)
    )
    row = connection.execute(wanted).one_or_none()
    return None if row is None else RejectedText(row.text, json.loads(row.rejections or "[]"))

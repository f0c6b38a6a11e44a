"""What an attempt continues: the text that the attempt before it left, and what each request wrote of that."""

from collections.abc import Sequence

from sqlalchemy import Connection, RowMapping, and_, exists, or_, select, update

from jobs.model.endings import WRITTEN_ANEW
from jobs.model.segments import Segment, dump_segments
from jobs.model.status import AttemptOutcome
from jobs.store.database import Database
from jobs.tables import attempts, texts


def find_continued(connection: Connection, row: RowMapping) -> RowMapping | None:
    """The attempt whose text this one continues; None: it writes anew.

    A text that has segments goes on whatever `on_interrupt` says: each of them was whole, and paid for.
    """
    if row["attempt"] == 1:
        return None
    own = (attempts.c.job_id == row["id"], attempts.c.attempt == row["attempt"] - 1)
    found = select(attempts.c.outcome, attempts.c.error_code, attempts.c.segments).where(*own)
    before = connection.execute(found).mappings().one_or_none()
    # A text that was cut short and is retried has used up its tokens: it is written anew.
    if before is None or before["outcome"] == AttemptOutcome.COMPLETED or before["error_code"] in WRITTEN_ANEW:
        return None
    return before if row["on_interrupt"] == "continue" or before["segments"] else None


def read_left(connection: Connection, job_id: str) -> tuple[str, str]:
    """The text that an earlier attempt has left, and its reasoning; none of one that was whole and is written anew.

    It may be the one before the last, if the last died before its first checkpoint; but not if that wrote anew:
    watchers have seen its text in place of this one, and take what is continued for a part of it.
    """
    wrote = and_(attempts.c.job_id == texts.c.job_id, attempts.c.attempt == texts.c.attempt)
    left = select(texts.c.text, texts.c.reasoning).join(attempts, wrote).where(texts.c.job_id == job_id)
    left = left.where(or_(attempts.c.error_code.is_(None), attempts.c.error_code.not_in(WRITTEN_ANEW)))
    left = left.where(or_(attempts.c.outcome.is_(None), attempts.c.outcome != AttemptOutcome.COMPLETED))
    later = attempts.alias()
    anew = (later.c.job_id == job_id, later.c.attempt > texts.c.attempt, later.c.continued_bytes == 0)
    row = connection.execute(left.where(~exists().where(*anew))).one_or_none()
    return (row.text, row.reasoning) if row else ("", "")


def note_segments(database: Database, job_id: str, attempt: int, segments: Sequence[Segment]) -> bool:
    """Store what each request has written of the text so far, for the attempt after this one. False: the attempt was
    taken for lost, and another one has the job.
    """
    own = (attempts.c.job_id == job_id, attempts.c.attempt == attempt, attempts.c.outcome.is_(None))
    with database.write() as connection:
        noted = connection.execute(update(attempts).where(*own).values(segments=dump_segments(segments)))
    return noted.rowcount > 0

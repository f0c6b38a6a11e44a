"""What workers of a version before 0.2 store while they are replaced, amended to what this version stores.

Such a worker empties `hinted_at` when it claims a job, and a claim of this version never does. So the index
`jobs_hinted` finds what it completed, and nearly always that there is nothing.
"""

from sqlalchemy import case, delete, func, select, update

from jobs.dispatch.due import BY_ID, using
from jobs.model.cut_short import CUT_SHORT, IS_CUT_SHORT, STORED_WITHOUT
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.tables import batches, jobs, longest_texts, rejected_texts, texts

MOST_AMENDED = 200
"""In one transaction."""

_OF_OLD = (jobs.c.status == JobStatus.COMPLETED, jobs.c.hinted_at.is_(None))

_ITS_OWN = {
    "incomplete": case((IS_CUT_SHORT, case(CUT_SHORT, value=jobs.c.finish_reason))),
    "text_attempt": jobs.c.attempt,
    # It wrote none of these: what is there was written by an earlier attempt.
    **dict.fromkeys(("message", "reasoning_bytes", "reasoning_sha256", "reasoning_text_tokens")),
    "reasoning_text_tokens_source": None,
    # It sends to the one upstream that it knows, wherever the job was reserved.
    **dict.fromkeys(("upstream", "last_upstream")),
}


def amend_old_ends(database: Database) -> int:
    """Amend some of them, and the counts of their batches. Returns how many it looked at; call it again for the rest.

    Once, that is every job that completed before the upgrade: migration 0002 has amended those, and they only get a
    `hinted_at`, so that no later look reads them.
    """
    # Ordered, so that PostgreSQL reads the index, too.
    some = select(jobs.c.id, jobs.c.batch_id).where(*_OF_OLD).order_by(jobs.c.hinted_at).limit(MOST_AMENDED)
    with database.read() as connection:  # nearly always there is none, and no write lock is taken
        rows = connection.execute(some.with_hint(jobs, **using("jobs_hinted"))).all()
    if not rows:
        return 0
    with database.write() as connection:
        # The batches first, as a retry locks them.
        of_batches = batches.c.id.in_({row.batch_id for row in rows} - {None})
        connection.execute(select(batches.c.id).where(of_batches).order_by(batches.c.id).with_for_update())
        held = select(jobs.c.id, jobs.c.batch_id, STORED_WITHOUT.label("amended")).with_hint(jobs, **BY_ID)
        still = held.where(jobs.c.id.in_([row.id for row in rows]), *_OF_OLD).order_by(jobs.c.id)
        found = connection.execute(still.with_for_update(skip_locked=True)).all()
        amended = [row for row in found if row.amended]
        ids, amended_ids = [row.id for row in found], [row.id for row in amended]
        connection.execute(update(jobs).where(jobs.c.id.in_(amended_ids)).values(_ITS_OWN))
        of_earlier = texts.c.job_id.in_(amended_ids)
        connection.execute(update(texts).where(of_earlier, texts.c.reasoning != "").values(reasoning=""))
        for beside in (longest_texts, rejected_texts):
            connection.execute(delete(beside).where(beside.c.job_id.in_(amended_ids)))
        sent_at = func.coalesce(jobs.c.started_at, jobs.c.created_at)
        connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(hinted_at=sent_at))
        cut_short = select(func.count()).where(jobs.c.batch_id == batches.c.id, jobs.c.incomplete.is_not(None))
        ended = (batches.c.id.in_({row.batch_id for row in amended} - {None}), batches.c.completed.is_not(None))
        connection.execute(update(batches).where(*ended).values(incomplete=cut_short.scalar_subquery()))
    return len(ids)

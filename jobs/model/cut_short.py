"""Texts of completed jobs that were cut short, also those that a worker of a version before 0.2 stored as whole.

Such a worker may still run while it is replaced. It knows no `incomplete` and no `text_attempt`, which every other one
sets to the job's attempt. `jobs/lifecycle/old_ends.py` amends what it stored; until then these rules say what is true.
"""

from sqlalchemy import ColumnElement, RowMapping, and_, or_

from jobs.model.status import JobStatus
from jobs.tables import jobs

CUT_SHORT = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""The finish reasons that say that a text is not whole, and why, in the words of OpenAI's `incomplete_details`."""

STORED_WITHOUT = and_(jobs.c.status == JobStatus.COMPLETED, jobs.c.text_attempt.is_distinct_from(jobs.c.attempt))
"""Jobs that such a worker completed."""

IS_CUT_SHORT: ColumnElement[bool] = or_(
    jobs.c.incomplete.is_not(None), and_(STORED_WITHOUT, jobs.c.finish_reason.in_(CUT_SHORT), jobs.c.bytes > 0)
)
"""It reads the rows: the index `jobs_cut_short` has only those that are known to be."""


def why_cut_short(row: RowMapping) -> str | None:
    """Why the text of this row of `jobs` is not whole; None for a whole one, and while a job has not completed."""
    known: str | None = row["incomplete"]
    is_sure = known is not None or row["status"] != JobStatus.COMPLETED or row["text_attempt"] == row["attempt"]
    return known if is_sure or not row["bytes"] else CUT_SHORT.get(row["finish_reason"] or "")

"""What is stored of a text while its job runs."""

from sqlalchemy import select

from jobs.store.database import Database
from jobs.tables import texts


def read_text_so_far(database: Database, job_id: str) -> tuple[int, str] | None:
    """The last checkpoint, its attempt and its text; for an ended job, the stored text."""
    with database.read() as connection:
        row = connection.execute(select(texts.c.attempt, texts.c.text).where(texts.c.job_id == job_id)).one_or_none()
    return (row.attempt, row.text) if row else None

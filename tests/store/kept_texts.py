"""Attempts that write something and fail, and the text that is stored or kept of them."""

from hashlib import sha256

from sqlalchemy import func, select

from jobs.lifecycle.transitions import retry
from jobs.store.queries import read_result
from jobs.tables import longest_texts
from tests.store.store_fixtures import REFUSED, Store, written

LONG = "Rain falls on the roof 😀."


def kept_rows(store: Store) -> int:
    """How many texts of earlier attempts are kept."""
    with store.database.read() as connection:
        return connection.scalar(select(func.count()).select_from(longest_texts)) or 0


def again(store: Store, job_id: str, text: str = "", **told: int) -> None:
    """Run an attempt that writes this and fails; the job waits for the next one."""
    attempt = store.claim(job_id).attempt
    assert retry(store.database, job_id, attempt, written(text, **told), REFUSED, store.clock.now)


def stored(store: Store, job_id: str) -> tuple[str | None, int | None, int | None, str | None]:
    """The text of an ended job, its attempt, its length and its hash."""
    result = read_result(store.database, job_id, project=None)
    assert result is not None
    return result.text, result.job.text_attempt, result.job.bytes, result.job.sha256


def expected(text: str, attempt: int) -> tuple[str, int, int, str]:
    """The same for this text of this attempt."""
    encoded = text.encode()
    return text, attempt, len(encoded), sha256(encoded).hexdigest()

"""Retries a worker's database calls while the database is away."""

from collections.abc import Callable
from functools import partial
from logging import getLogger
from time import sleep
from typing import Any, TypeVar

from sqlalchemy.exc import DataError

from jobs.store.database import DATABASE_ERRORS, driver_message, is_transient
from worker.active_attempts import ActiveAttempt, ActiveAttempts, StopReason

log = getLogger(__name__)

T = TypeVar("T")

FIRST_WAIT_SECONDS = 0.1
"""Before the second try; each later wait is longer, up to `LONGEST_WAIT_SECONDS`."""

LONGEST_WAIT_SECONDS = 2.0


def retry_unless_draining(attempts: ActiveAttempts, call: Callable[..., T], *arguments: Any) -> T | None:
    """Ask for what costs nothing if it is not done; None when the database is away and this process drains."""
    return _retry(partial(call, *arguments), is_transient, lambda _: attempts.draining)


def retry_until_stored(running: ActiveAttempt, call: Callable[..., Any], *arguments: Any) -> bool:
    """Store what belongs to a running attempt, however long the database takes: it has been paid for.

    False: the lease was lost. Every transition may be tried twice: it finds its own outcome when a commit that reported
    an error was made. Raises `DataError` for what the database will never take.
    """
    return bool(
        _retry(
            partial(call, *arguments),
            lambda error: not isinstance(error, DataError),
            # A lease can look lost because this end was made, and only its reply was lost: the next try tells.
            lambda error: running.stop_reason is StopReason.LOST and not is_transient(error),
        )
    )


def _retry(
    call: Callable[[], T], is_worth_it: Callable[[Exception], bool], is_over: Callable[[Exception], bool]
) -> T | None:
    """Call until the database has answered; None once that is of no use. Raises what no other try would mend."""
    wait = FIRST_WAIT_SECONDS
    while True:
        try:
            return call()
        except DATABASE_ERRORS as error:
            if not is_worth_it(error):
                raise
            if is_over(error):
                return None
            if wait == FIRST_WAIT_SECONDS:  # once: with hundreds of streams each try would be a flood
                log.warning("the database is away, trying again: %s", driver_message(error))
        sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)

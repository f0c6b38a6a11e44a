"""Sweeps: files that nobody can ask for any more are deleted, and what was deleted is overwritten."""

import asyncio
from collections.abc import Callable
from logging import getLogger

from api.services import Services
from api.submitting.uploads import delete_bytes, find_old
from jobs.store.database import DATABASE_ERRORS, driver_message
from jobs.store.files import delete_expired, which_exist

SCRUB_SECONDS = 1.0
_SCRUBS_PER_SWEEP = 60

log = getLogger(__name__)


async def sweep_for_ever(services: Services) -> None:
    """Delete expired files every minute, and see that what was deleted is in no file of the database a second later."""
    while True:
        for _ in range(_SCRUBS_PER_SWEEP):
            await asyncio.sleep(SCRUB_SECONDS)
            await _run(scrub, services)
        await _run(sweep_expired, services)


async def _run(sweep: Callable[[Services], None], services: Services) -> None:
    """Whatever a sweep meets, the next one is made: nobody else would overwrite what is deleted."""
    try:
        await services.writes.run(sweep, services)
    except Exception:
        log.exception("a sweep failed, and is made again")


def scrub(services: Services) -> None:
    """Empty the database's log if something was deleted. It never raises."""
    try:
        services.database.scrub()
    except DATABASE_ERRORS as error:
        log.warning("the database's log was not emptied, trying again: %s", driver_message(error))


def sweep_files(services: Services) -> None:
    """Delete expired files, and bytes that have had no row for a day. At start."""
    sweep_expired(services)
    folder = services.settings.files_folder
    try:
        old = find_old(folder)
        for start in range(0, len(old), 500):
            some = old[start : start + 500]
            delete_bytes(folder, set(some) - which_exist(services.database, some))
    except (OSError, *DATABASE_ERRORS) as error:
        log.warning("the folder of the files was not swept: %s", _cause(error))


def sweep_expired(services: Services) -> None:
    """Delete expired files. Called with each upload too; it never raises."""
    try:
        delete_bytes(services.settings.files_folder, delete_expired(services.database))
    except (OSError, *DATABASE_ERRORS) as error:
        log.warning("expired files were not deleted: %s", _cause(error))


def _cause(error: Exception) -> str:
    return str(error) if isinstance(error, OSError) else driver_message(error)

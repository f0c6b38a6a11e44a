"""The heartbeat: one thread per worker process that renews the leases, checkpoints the texts and looks for cancels."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from logging import getLogger
from time import monotonic

from jobs.lifecycle.lease import Checkpoint, find_stop_requests, renew
from jobs.settings import Settings
from jobs.store.database import DATABASE_ERRORS, Database, is_transient
from jobs.store.refused_writes import is_disk_full
from jobs.store.text_bytes import read_text_bytes
from worker.active_attempts import ActiveAttempt, ActiveAttempts, StopReason
from worker.background_loop import BackgroundLoop

log = getLogger(__name__)

STOP_CHECK_SECONDS = 1.0
"""How often the rows are asked whether a running job is to stop. A cancel must reach the upstream within 2 s, and this
way it needs nothing but the database."""

MOST_BYTES_AT_ONCE = 1 << 20
"""How much of texts is stored in one transaction, or one text: on SQLite all others wait for it, and a process may have
a hundred texts of megabytes, each of which is stored whole when it has grown by a letter."""

MOST_BYTES_A_BEAT, SHORT_BYTES = 8 << 20, 64 << 10
"""How much of long texts one beat stores, or one of them: first what was stored longest ago, the others with a later
beat. Else 60 texts of 6 MB would be written all the time, and a short job wait 20 s for its turns to write."""


class Heartbeat(BackgroundLoop):
    """While the database is away the streams continue. When it is back, their leases are renewed, unless another worker
    has rescued them by then.
    """

    def __init__(self, database: Database, running: ActiveAttempts, worker: str, settings: Settings) -> None:
        super().__init__("heartbeat", STOP_CHECK_SECONDS, first_wait=STOP_CHECK_SECONDS)
        self._database = database
        self._running = running
        self._worker = worker
        self._settings = settings
        self._beat_at = monotonic() + settings.heartbeat_seconds

    def _round(self) -> float:
        held = self._running.all()
        if held:
            self._stop_unwanted()
            if monotonic() >= self._beat_at:
                self._beat(held)
                self._beat_at = monotonic() + self._settings.heartbeat_seconds
        return STOP_CHECK_SECONDS

    def _beat(self, held: Sequence[ActiveAttempt]) -> None:
        """Renew every lease and store the texts that have grown; cut the streams whose lease was lost."""
        self._database.synchronize()
        self._look_at_earlier_texts(held)
        stored = list(_to_store(held))
        groups = list(_in_groups(stored))
        if len(groups) > 1 or len(stored) < len(held):
            # Long texts take long, and others write between them: no lease must wait for that.
            self._renew(held, [Checkpoint(attempt.job.id, attempt.attempt, None) for attempt in held])
        for group in groups:
            self._renew(group, [attempt.checkpoint() for attempt in group])

    def _look_at_earlier_texts(self, held: Sequence[ActiveAttempt]) -> None:
        """After a worker has died, 50 first checkpoints of three letters copied 50 texts of 6 MB: 10 s as one group."""
        unknown = {attempt.job.id: attempt for attempt in held if attempt.earlier_bytes is None}
        found = read_text_bytes(self._database, list(unknown)) if unknown else {}
        for job_id, attempt in unknown.items():
            attempt.earlier_bytes = found.get(job_id, 0)

    def _renew(self, held: Sequence[ActiveAttempt], checkpoints: Sequence[Checkpoint]) -> None:
        try:
            kept = renew(self._database, self._worker, checkpoints, self._settings.lease_seconds)
        except DATABASE_ERRORS as error:
            if is_transient(error) and not is_disk_full(error):
                raise
            # One text that the database refuses, or for which its disk has no room, must not cost every job of the
            # process its lease.
            log.exception("checkpoint refused, renewing without texts")
            checkpoints = [replace(checkpoint, text=None) for checkpoint in checkpoints]
            kept = renew(self._database, self._worker, checkpoints, self._settings.lease_seconds)
        for attempt, checkpoint in zip(held, checkpoints, strict=True):
            if attempt.job.id not in kept:
                attempt.stop(StopReason.LOST)
            elif checkpoint.text is not None:
                attempt.note_stored(checkpoint.text, checkpoint.reasoning)

    def _stop_unwanted(self) -> None:
        """Cut the streams of jobs that somebody cancelled or released, or whose time is over."""
        for job_id, reason in find_stop_requests(self._database, self._worker):
            self._running.stop(job_id, StopReason(reason))


def _to_store(held: Sequence[ActiveAttempt]) -> Iterator[ActiveAttempt]:
    """The attempts whose texts this beat stores, if they have grown."""
    left = MOST_BYTES_A_BEAT
    for attempt in sorted(held, key=lambda attempt: attempt.stored_at):
        size = attempt.unstored_bytes()
        if size > SHORT_BYTES:
            if left < min(size, MOST_BYTES_A_BEAT):
                continue
            left -= size
        yield attempt


def _in_groups(held: Sequence[ActiveAttempt]) -> Iterator[Sequence[ActiveAttempt]]:
    """These attempts, in groups whose texts are stored in one transaction each."""
    group: list[ActiveAttempt] = []
    size = 0
    for attempt in held:
        grown = attempt.unstored_bytes()
        if group and size + grown > MOST_BYTES_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(attempt)
        size += grown
    if group:
        yield group

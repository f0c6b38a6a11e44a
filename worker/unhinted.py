"""Jobs that this process reserved and could not hint: they run here, so that no job needs Redis to start."""

import threading
from collections.abc import Callable, Sequence
from logging import getLogger

log = getLogger(__name__)


class UnhintedJobs:
    """Runs such jobs in separate threads, at most as many as the process has streams. Dispatch
    reserves no more than are free.

    A hint may have gone out nevertheless: the claim decides who runs the job.
    """

    def __init__(self, run: Callable[[str], None], streams: int) -> None:
        self._run = run
        self._streams = streams
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._ended = False

    def start(self, job_ids: Sequence[str]) -> None:
        """Run these jobs; those for which there is no room are left for a later round."""
        with self._lock:
            room = 0 if self._ended else max(0, self._streams - len(self._threads))
            for job_id in job_ids[:room]:
                thread = threading.Thread(target=self._run_one, args=(job_id,), name="unhinted", daemon=True)
                self._threads.add(thread)
                thread.start()

    def close(self) -> None:
        """Take no more, and wait for those that run: they have been stopped, as all have."""
        with self._lock:
            self._ended = True
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _run_one(self, job_id: str) -> None:
        try:
            self._run(job_id)
        except Exception:
            log.exception("a job that could not be hinted has failed here", extra={"job_id": job_id})
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

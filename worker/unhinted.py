"""Jobs that this process reserved and could not hint: they run here, so that no job needs Redis to start."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from logging import getLogger

log = getLogger(__name__)


class UnhintedJobs:
    """Runs such jobs in separate threads, at most as many as the process has streams. Dispatch reserves no more than
    are free.

    A hint may have gone out nevertheless: the claim decides who runs the job. It also refuses one that has waited here
    until its reservation was taken back.
    """

    def __init__(self, run: Callable[[str], object], streams: int) -> None:
        self._run = run
        self._threads = ThreadPoolExecutor(streams, thread_name_prefix="unhinted")

    def start(self, job_ids: Sequence[str]) -> None:
        """Run these jobs."""
        with suppress(RuntimeError):  # the process ends, and others reserve them
            for job_id in job_ids:
                self._threads.submit(self._run_one, job_id)

    def close(self) -> None:
        """Take no more, and wait for those that run: they have been stopped, as all have."""
        self._threads.shutdown(cancel_futures=True)

    def _run_one(self, job_id: str) -> None:
        try:
            self._run(job_id)
        except Exception:
            log.exception("a job that could not be hinted has failed here", extra={"job_id": job_id})

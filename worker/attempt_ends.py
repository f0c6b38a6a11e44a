"""The end of an attempt, from its last request on: its text is checked and stored."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from logging import getLogger

from jobs.acceptance.check_turns import GivenUpError, GivesUp
from jobs.lifecycle.transitions import leave_lane
from jobs.model.endings import AttemptResult
from jobs.model.message import has_calls
from jobs.model.status import DOUBTFUL_SEAM, NO_END_SIGN
from jobs.store.database import Database
from worker.active_attempts import ActiveAttempt
from worker.answer_check import AnswerCheck
from worker.db_retry import retry_until_stored
from worker.finalize import CheckFailed, Finalizer
from worker.measure import StreamEnd
from worker.traces import AttemptTrace
from worker.upstream.ending import Ending
from worker.upstream.errors import UpstreamError
from worker.waiting_checks import WaitingChecks, patience, until_stopped

log = getLogger(__name__)


class AttemptEnds:
    """Ends attempts, each in its job's own thread, or in one of `waiting` when its check does not come soon."""

    def __init__(
        self,
        database: Database,
        answer_check: AnswerCheck,
        waiting: WaitingChecks,
        finalizer: Finalizer,
        on_free: Callable[[], None],
    ) -> None:
        self._database = database
        self._answer_check = answer_check
        self._waiting = waiting
        self._finalizer = finalizer
        self._on_free = on_free

    def close(self) -> None:
        self._waiting.close()
        self._answer_check.close()

    def check_and_end(
        self, running: ActiveAttempt, outcome: StreamEnd, written: AttemptResult, trace: AttemptTrace, held: ExitStack
    ) -> None:
        """Returns when the attempt is over, or waits for its check elsewhere. `held` is what it holds here until then:
        its entry among the attempts that run.
        """
        try:
            checked = self._check(running, outcome, written, patience())
        except GivenUpError:
            self._leave_lane(running, outcome)
            rest = partial(self._end_when_checked, running, outcome, written, trace, held.pop_all())
            if not self._waiting.take_over(running, rest):
                rest()
            return
        self._end(running, checked, written, trace, held)

    def _end(
        self, running: ActiveAttempt, outcome: StreamEnd, written: AttemptResult, trace: AttemptTrace, held: ExitStack
    ) -> None:
        with held:
            trace.end(outcome, written)
            self._finalizer.finalize(running, outcome, written)
        self._finalizer.close_batch(running.job.batch_id)

    def _leave_lane(self, running: ActiveAttempt, outcome: StreamEnd) -> None:
        """Its stream has ended, and its text waits for its check: others may be sent in its place."""
        retry_until_stored(running, leave_lane, self._database, running.job.id, running.attempt)
        if running.sent is not None:
            running.sent.end(outcome)

    def _end_when_checked(
        self, running: ActiveAttempt, outcome: StreamEnd, written: AttemptResult, trace: AttemptTrace, held: ExitStack
    ) -> None:
        with held:
            try:
                outcome = self._check(running, outcome, written, until_stopped(running))
            except GivenUpError:
                outcome = running.stop_reason or outcome
            self._end(running, outcome, written, trace, held.pop_all())
        self._on_free()

    def _check(
        self, running: ActiveAttempt, outcome: StreamEnd, written: AttemptResult, gives_up: GivesUp
    ) -> StreamEnd:
        """The error of a text that is not in the format that was asked for, or not accepted; else the outcome as it is.

        A text that was cut short is in no format: it is incomplete, and says so; one that may be cut is checked. What
        stands beside a tool call is not: the text that was asked for comes once the tool has answered. A text that
        could not be checked is tried again. Raises `GivenUpError` when its turn does not come.
        """
        if not isinstance(outcome, Ending) or has_calls(written.message):
            return outcome
        try:
            error = self._find_error(running, written, gives_up)
        except GivenUpError:
            raise
        except Exception as fault:
            # The machine may start no process now. Else the text would wait for its lease to run out, and be lost.
            log.exception("check failed", extra={"job_id": running.job.id, "attempt": running.attempt})
            error = CheckFailed.of(fault)
        if error is None:
            return outcome
        error.ending = outcome
        return error

    def _find_error(self, running: ActiveAttempt, written: AttemptResult, gives_up: GivesUp) -> UpstreamError | None:
        job, cut_short = running.job, written.incomplete not in (None, NO_END_SIGN, DOUBTFUL_SEAM)
        error = None if cut_short else self._answer_check.find_error(job.request, written.text, job.project, gives_up)
        return error or self._answer_check.find_rejection(
            job.accept, written.text, cut_short=cut_short, project=job.project, gives_up=gives_up
        )

"""Checks finished texts against the format that the request asks for, and against the rules of the job."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from jobs.acceptance.answer_format import FormatError, read_format
from jobs.acceptance.check_turns import GivesUp
from jobs.acceptance.format_check import CPU_SECONDS, FormatCheck, TooSlowError
from jobs.acceptance.rejections import Rejection, tell_rejection
from worker.upstream.errors import UpstreamError


class SchemaMismatch(UpstreamError):  # noqa: N818 (as the other errors of an answer)
    """The text is not what `response_format` asks for. Another attempt may well write what is."""

    code = "schema_mismatch"


class SchemaNotChecked(UpstreamError):  # noqa: N818
    """The check took too long. Another text would not be checked sooner."""

    code = "schema_not_checked"
    retryable = False


class NotAccepted(UpstreamError):  # noqa: N818
    """The text does not keep the rules of `accept`. The job says what becomes of it."""

    code = "not_accepted"

    def __init__(self, rejections: Sequence[Rejection]) -> None:
        super().__init__(f"The text was not accepted: {'; '.join(map(tell_rejection, rejections))}")
        self.rejections = rejections


class NotChecked(UpstreamError):  # noqa: N818
    """The check of the rules took too long. Another text would not be checked sooner."""

    code = "accept_not_checked"
    retryable = False


class AnswerCheck:
    """Checks the texts of a worker's jobs, each in its own thread. With a `gives_up` it may raise `GivenUpError`."""

    def __init__(self, cpu_seconds: float = CPU_SECONDS) -> None:
        self.format_check = FormatCheck(cpu_seconds)

    def behind(self, most_waiting: int) -> Collection[str]:
        """The projects that are to get no more streams now: their texts would only wait for their checks, of which
        `most_waiting` are to wait at most.
        """
        return self.format_check.turns.behind(most_waiting)

    def find_error(
        self, request: dict[str, Any] | None, text: str, project: str = "", gives_up: GivesUp | None = None
    ) -> UpstreamError | None:
        """Why a finished text is not what its request asked for; None when it is, or when any text would do."""
        try:
            wanted = read_format((request or {}).get("response_format"))
        except FormatError:
            return None  # it was submitted to a version that did not check it
        if wanted is None:
            return None
        try:
            mismatch = self.format_check.find_mismatch(wanted.schema, text, project, gives_up)
        except TooSlowError:
            return SchemaNotChecked(
                f"the text could not be checked against the schema within {self.format_check.cpu_seconds:g} s: make the"
                " schema simpler (nested anyOf, oneOf and $ref multiply), or submit the job without it"
            )
        if mismatch is None:
            return None
        return SchemaMismatch(f"the text is not what response_format asks for: {mismatch}")

    def find_rejection(
        self,
        accept: Mapping[str, Any] | None,
        text: str,
        *,
        cut_short: bool,
        project: str = "",
        gives_up: GivesUp | None = None,
    ) -> UpstreamError | None:
        """Why a text is not accepted, with every reason; None when it is."""
        if accept is None:
            return None
        try:
            rejections = self.format_check.find_rejections(
                accept, text, cut_short=cut_short, project=project, gives_up=gives_up
            )
        except TooSlowError:
            return NotChecked(
                f"the text could not be checked against `accept` within {self.format_check.cpu_seconds:g} s: make its"
                " schema or its patterns simpler"
            )
        return NotAccepted(rejections) if rejections else None

    def close(self) -> None:
        self.format_check.close()

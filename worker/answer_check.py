"""Checks finished texts against the format that the request asks for."""

from typing import Any

from jobs.acceptance.answer_format import FormatError, read_format
from jobs.acceptance.format_check import CPU_SECONDS, FormatCheck, TooSlowError
from worker.upstream.errors import UpstreamError


class SchemaMismatch(UpstreamError):  # noqa: N818 (as the other errors of an answer)
    """The text is not what `response_format` asks for. Another attempt may well write what is."""

    code = "schema_mismatch"


class SchemaNotChecked(UpstreamError):  # noqa: N818
    """The check took too long. Another text would not be checked sooner."""

    code = "schema_not_checked"
    retryable = False


class AnswerCheck:
    """Checks the texts of a worker's jobs, each in its own thread."""

    def __init__(self, cpu_seconds: float = CPU_SECONDS) -> None:
        self.format_check = FormatCheck(cpu_seconds)

    def find_error(self, request: dict[str, Any] | None, text: str) -> UpstreamError | None:
        """Why a finished text is not what its request asked for; None when it is, or when any text would do."""
        try:
            wanted = read_format((request or {}).get("response_format"))
        except FormatError:
            return None  # it was submitted to a version that did not check it
        if wanted is None:
            return None
        try:
            mismatch = self.format_check.find_mismatch(wanted.schema, text)
        except TooSlowError:
            return SchemaNotChecked(
                f"the text could not be checked against the schema within {self.format_check.cpu_seconds:g} s: make the"
                " schema simpler (nested anyOf, oneOf and $ref multiply), or submit the job without it"
            )
        return (
            None if mismatch is None else SchemaMismatch(f"the text is not what response_format asks for: {mismatch}")
        )

    def close(self) -> None:
        """End what was started for the checks."""
        self.format_check.close()

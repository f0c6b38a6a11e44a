"""The lines of a batch's input file, each checked. `jobs/inputs/` has read them and said where they come from."""

from collections.abc import Sequence
from hashlib import blake2b

from api.http.errors import ApiError
from api.submitting.bodies import read_fields
from api.submitting.checks import Merge, check_item, require_same_columns
from api.submitting.named_upstreams import NamedUpstreams
from jobs.inputs.json_objects import json_remedy
from jobs.inputs.mistakes import MistakeError, Notes
from jobs.inputs.table import Line
from jobs.intake.submission import NewJob

MOST_ERRORS = 100
"""This many errors of a file are listed one by one; the others are counted."""

_LINE_CODES = {"invalid_json": "invalid_json_line", "invalid_type": "invalid_json_line"}
_FIELD_CODES = {("invalid_value", "url"): "invalid_url", ("invalid_value", "method"): "invalid_method"}


class LineChecker:
    """Makes jobs of lines, and remembers which `custom_id` came where: 16 bytes and a number for each."""

    def __init__(
        self,
        defaults: NewJob,
        notes: Notes,
        upstreams: NamedUpstreams,
        *,
        needs_custom_id: bool,
        endpoint: str,
        merge: Merge | None,
    ) -> None:
        self._merge = merge
        self._endpoint = endpoint
        self._for_all = defaults
        self._notes = notes
        self._upstreams = upstreams
        self._needs_custom_id = needs_custom_id
        self._line_of: dict[bytes, int] = {}
        self._first: NewJob | None = None

    def check(self, line: Line | MistakeError) -> NewJob:
        """The job of a line. Raises `MistakeError`, also the one that stands in place of a line."""
        if isinstance(line, MistakeError):
            raise line
        try:
            job = self._read(line)
            self._first = self._first or job
            require_same_columns(self._first, job, "")
            self._upstreams.require(job, "upstream")
        except MistakeError as mistake:
            raise mistake.at(line.line, line.row) from None
        except ApiError as error:
            raise _mistake(error, line) from None
        if job.custom_id is not None:
            key = blake2b(job.custom_id.encode(), digest_size=16).digest()
            first = self._line_of.setdefault(key, line.line)
            if first != line.line:
                reason = f"custom_id: {job.custom_id[:80]!r} is the same as that of line {first}"
                raise MistakeError("duplicate_custom_id", reason, "give each its own", line=line.line, row=line.row,
                                   param="custom_id")  # fmt: skip
        return job

    def _read(self, line: Line) -> NewJob:
        try:
            line.content.decode()
        except UnicodeDecodeError as error:
            reason = f"the line is not UTF-8: its byte {error.start + 1} is 0x{line.content[error.start]:02x}"
            raise MistakeError("invalid_json_line", reason, "save the file as UTF-8, or name its encoding") from None
        return check_item(
            read_fields(line.content, ""),
            "",
            self._for_all,
            self._notes,
            line.line,
            of_file=True,
            needs_custom_id=self._needs_custom_id,
            endpoint=self._endpoint,
            merge=self._merge,
        )


class Mistakes:
    """What is wrong with a file: the first mistakes, and how many more there are."""

    def __init__(self) -> None:
        self.first: list[MistakeError] = []
        self._more = 0

    def add(self, mistake: MistakeError) -> None:
        """Note one more."""
        if len(self.first) < MOST_ERRORS:
            self.first.append(mistake)
        else:
            self._more += 1

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.first) + self._more

    def listed(self) -> Sequence[MistakeError]:
        """The mistakes to be shown; the last one says how many more there are."""
        rest = [MistakeError("more_errors", f"{self._more} more lines are wrong")] if self._more else []
        return [*self.first, *rest]


def _mistake(error: ApiError, line: Line) -> MistakeError:
    """A refused line, with the codes that OpenAI has for some of its mistakes."""
    if error.param is None:
        code = _LINE_CODES.get(error.code, error.code)
        reason = error.message.replace("the body: ", "the line: ", 1)
        remedy = json_remedy(line.content) if error.code == "invalid_json" else ""
        return MistakeError(code, reason, remedy, line=line.line, row=line.row)
    code = _FIELD_CODES.get((error.code, error.param), error.code)
    return MistakeError(code, error.message, line=line.line, row=line.row, param=error.param)

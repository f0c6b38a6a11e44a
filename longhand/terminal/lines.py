"""A batch as lines of text, for an output that is no terminal."""

from typing import TextIO

from longhand.client.events import Delta, Done, Event, Reset, Status
from longhand.client.objects import Job
from longhand.terminal.batch_state import name_of
from longhand.terminal.cells import one_line, plain
from longhand.words.catalogue import t

_LONGEST_LINE = 2000
"""How many characters `Lines` holds back at most while the end of their line has not come."""


def starts_over(attempt: int) -> str:
    return t("watch.starts_over", attempt=attempt)


class Lines:
    """Texts of many jobs as whole lines: `name | line`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._names: dict[str, str] = {}
        self._begun: dict[str, str] = {}
        self._nameless: dict[str, list[str]] = {}
        """Lines of jobs whose name is not known yet: the text of a job may come just before its first status."""

    def take(self, event: Event) -> None:
        """Write the lines that an event completes."""
        match event:
            case Delta(job_id=job_id, text=text):
                *whole, rest = (self._begun.get(job_id, "") + text).split("\n")
                if len(rest) > _LONGEST_LINE:
                    whole.append(rest)
                    rest = ""
                self._begun[job_id] = rest
                self._write(job_id, whole)
            case Reset(job_id=job_id, attempt=attempt):
                self._end_line(job_id)
                self._write(job_id, [starts_over(attempt)])
            case Status(job=job):
                self._learn_name(job)
            case Done(job=job):
                self._learn_name(job)
                self._end_line(job["id"])
                self._names.pop(job["id"])

    def _learn_name(self, job: Job) -> None:
        self._names[job["id"]] = one_line(name_of(job))
        self._write(job["id"], self._nameless.pop(job["id"], []))

    def _end_line(self, job_id: str) -> None:
        rest = self._begun.pop(job_id, "")
        if rest:
            self._write(job_id, [rest])

    def _write(self, job_id: str, lines: list[str]) -> None:
        name = self._names.get(job_id)
        if name is None:
            self._nameless.setdefault(job_id, []).extend(lines)
            return
        shown = (plain(line) if self._out.isatty() else line for line in lines)
        self._out.write("".join(f"{name} | {line}\n" for line in shown))
        self._out.flush()

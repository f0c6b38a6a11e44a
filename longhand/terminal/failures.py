"""How the jobs of a batch ended that did not complete: those with one reason are one line, not a wall of the same."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from longhand.client.objects import FINAL
from longhand.terminal.cells import one_line
from longhand.terminal.explanations import NOT_COMPLETED, retry_command, status_word
from longhand.words.catalogue import t

_MOST_REASONS = 10
_MOST_NAMES = 3

_REJECTED = frozenset({
    "upstream_rejected", "upstream_rejected_in_stream", "upstream_request_too_large", "upstream_content_filtered",
    "upstream_refusal", "upstream_reasoning_used_budget",
})  # fmt: skip


@dataclass(slots=True)
class Failure:
    """A job that ended without a completed text."""

    name: str
    status: str
    why: str
    code: str | None = None


@dataclass(slots=True)
class Failures:
    """Those of one batch."""

    _names: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """The first names, by status and reason, and how many jobs they are."""
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _statuses: Counter[str] = field(default_factory=Counter)
    _rejected: int = 0

    def add(self, failure: Failure) -> str:
        """Note a failure. The line that tells it, if it is the first with its reason and there are not too many."""
        reason = (failure.status, failure.why)
        names = self._names.setdefault(reason, [])
        if len(names) <= _MOST_NAMES:
            names.append(failure.name)
        self._counts[reason] += 1
        self._statuses[failure.status] += 1
        self._rejected += is_rejected(failure.code)
        return _told(reason, names, 1) if len(names) == 1 and len(self._names) <= _MOST_REASONS else ""

    def groups(self) -> Iterator[str]:
        """A line for each reason that several jobs have, and one for all that have not been told."""
        reasons = list(self._names)[:_MOST_REASONS]
        for reason in reasons:
            if self._counts[reason] > 1:
                yield _told(reason, self._names[reason], self._counts[reason])
        if more := self._counts.total() - sum(self._counts[reason] for reason in reasons):
            yield t("watch.more", count=more)

    def refused(self) -> str:
        """What to do about those that a retry cannot mend."""
        if self._rejected == self._counts.total():
            return t("watch.rejected") if self._rejected else ""
        return t("watch.some_rejected", count=self._rejected) if self._rejected else ""

    def again(self, batch_id: str) -> str:
        """How to run them again."""
        if not self._counts:
            return ""
        key = "watch.retry_if_changed" if self._rejected == self._counts.total() else "watch.retry"
        return t(key, again=retry_command(batch_id, self._statuses))


def is_rejected(code: str | None) -> bool:
    """Whether the same request would be refused again."""
    return code in _REJECTED


def names_of(names: Sequence[str], count: int) -> str:
    """The first of so many names."""
    first = t("join.comma").join(map(one_line, names[: min(count, _MOST_NAMES)]))
    if count <= 1:
        return first
    return t("watch.jobs" if count <= _MOST_NAMES else "watch.jobs_first", count=count, names=first)


def outcome(batch: Any) -> str:
    """The status of a batch, or that all its jobs failed, which the word `completed` would hide."""
    counts = batch["request_counts"]
    all_failed = batch["status"] == "completed" and 0 < counts["failed"] == counts["total"]
    return "all_failed" if all_failed else batch["status"]


def count_words(batch: Any, ended: Counter[str]) -> Iterator[Text]:
    """How many jobs of a batch are in which state. `ended`: how many did not complete, by their status."""
    counts = batch["request_counts"]
    if counts["completed"]:
        yield Text(t("batch.completed", number=f"{counts['completed']:,}"), style="green")
    if cut := counts.get("incomplete"):
        yield Text(t("batch.cut_short", number=f"{cut:,}"), style="yellow")
    others = {status: ended[status] for status in NOT_COMPLETED[1:]}
    numbers = {"failed": counts["failed"] - sum(others.values()), **others}
    for status in NOT_COMPLETED:
        if numbers[status] > 0:
            yield Text(t("batch.of_status", number=f"{numbers[status]:,}", status=status_word(status)), style="red")
    if batch["status"] in FINAL:
        return
    if counts["in_progress"]:
        yield Text(t("batch.writing", number=f"{counts['in_progress']:,}"), style="cyan")
    waiting = counts["total"] - counts["completed"] - counts["failed"] - counts["in_progress"]
    if waiting > 0:
        waits = status_word("held" if batch.get("hold") else "queued")
        yield Text(t("batch.of_status", number=f"{waiting:,}", status=waits))


def _told(reason: tuple[str, str], names: Sequence[str], count: int) -> str:
    status, why = reason
    shown = t("join.comma").join(filter(None, (status_word(status), why)))
    return one_line(t("watch.failure", name=names_of(names, count), status=shown))

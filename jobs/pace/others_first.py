"""After a refusal of one project others go first: what they are answered says whose limit it was.

A project pays nothing for refused requests. It was therefore next at every free stream. Where texts are long, no other
project was sent anything meanwhile: each refusal took one more stream, and the others kept one of twenty.
"""

from typing import Self

import msgspec

SLOW_SECONDS, SLOW_REQUESTS = 10.0, 10
"""A lane is slow if fewer are accepted in so long. In others the numbers tell (`worker/refused_projects.py`)."""
ANSWER_SECONDS = 5.0
"""What was sent so soon after the refusal has met the same limit, if that is everybody's."""
OTHERS = 2
"""The project is sent again when so many of others were accepted,"""
LONGEST_SECONDS = 60.0
"""or after so long."""
MOST_PROJECTS = 20
"""That let others go first; of more, those that were refused last."""


class OthersFirst(msgspec.Struct):
    """Of the latest refusal while others waited, too."""

    projects: list[str]
    """It was of the last; the others were refused a moment before."""
    sent_at: float
    in_flight: int
    is_open: bool
    """Nothing was cut for it, and nobody else was accepted yet with as many in flight."""
    left: int = OTHERS

    @classmethod
    def after(cls, before: Self | None, project: str, sent_at: float, in_flight: int, *, is_open: bool) -> Self:
        """Of a refusal, and of those before it whose projects still let others go first."""
        others = before.projects if before is not None and before.is_behind(sent_at) else []
        projects = [*(other for other in others if other != project), project]
        return cls(projects[-MOST_PROJECTS:], sent_at, in_flight, is_open)

    def may_be_older(self, project: str, sent_at: float) -> bool:
        """Whether a refused request may have been reserved before this refusal, and so does not confirm it."""
        return self.is_open and project in self.projects and sent_at - self.sent_at <= ANSWER_SECONDS

    def accepted(self, sent_at: float, in_flight: int) -> None:
        """A request sent at that time was accepted."""
        if sent_at <= self.sent_at:
            return
        self.left -= 1
        if in_flight >= self.in_flight and sent_at - self.sent_at <= ANSWER_SECONDS:
            self.is_open = False

    def is_behind(self, now: float) -> bool:
        """Whether these projects let others go first."""
        return self.left > 0 and 0 <= now - self.sent_at < LONGEST_SECONDS

"""Which projects a lane refuses more often than the others: what it tells them is no limit that all share.

A proxy may limit each end user, and a client chooses whose name it sends. Before, a project that was refused once a
second, while others had 38 texts accepted, left these a tenth of their streams.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from jobs.dispatch.rounds import Key

HALF_SECONDS = 30.0
"""After so long an answer counts half."""

EXPECTED = 8.0
"""If another one were refused as often as this project, so many of its requests would have been refused by now."""

FEW = 0.25
"""And no more than this share of them were."""

MORE_THAN_ONE = 1.5
"""Of what is counted at half after a while. A single refusal may be anybody's."""

_FORGOTTEN = 0.01
"""With less than this left of all its answers, a project is forgotten."""


MOST_LANES = 1000
"""With more, half are forgotten, those that answered longest ago: clients may name any number of models."""


@dataclass(slots=True)
class _Answers:
    """Of one project in one lane, of late."""

    at: float
    sent: float = 0.0
    refused: float = 0.0

    def age(self, now: float) -> None:
        left = math.exp2(-max(0.0, now - self.at) / HALF_SECONDS)
        self.at, self.sent, self.refused = max(now, self.at), left * self.sent, left * self.refused


class RefusedProjects:
    """Of one process. Any thread may note an answer."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._lanes: dict[Key, dict[str, _Answers]] = {}

    def note(self, key: Key, project: str, *, refused: bool) -> None:
        """A request was accepted, or it was one too many."""
        now = self._clock()
        with self._lock:
            answers = self._lanes.setdefault(key, {}).setdefault(project, _Answers(now))
            answers.age(now)
            answers.sent += 1
            answers.refused += int(refused)
            if len(self._lanes) > MOST_LANES:
                latest = sorted(self._lanes, key=lambda one: max(each.at for each in self._lanes[one].values()))
                self._lanes = {one: self._lanes[one] for one in latest[-MOST_LANES // 2 :]}

    def is_refused_alone(self, key: Key, project: str) -> bool:
        """Whether the lane refuses this project, and hardly any of the others."""
        now = self._clock()
        with self._lock:
            of_lane = self._lanes.get(key, {})
            for answers in of_lane.values():
                answers.age(now)
            of_lane = {name: some for name, some in of_lane.items() if some.sent > _FORGOTTEN}
            if of_lane:
                self._lanes[key] = of_lane
            own = of_lane.get(project, _Answers(now))
            others = [answers for name, answers in of_lane.items() if name != project]
            is_so = any(_is_taken(own, other) for other in others)
            return own.refused > MORE_THAN_ONE and is_so


def _is_taken(own: _Answers, other: _Answers) -> bool:
    """Whether the lane would have refused this other one, if it were everybody's limit. By each for itself: where two
    are refused, neither must make the refusals of the other one everybody's.
    """
    expected = own.refused / max(own.sent, 1.0) * other.sent
    return expected >= EXPECTED and other.refused <= FEW * expected

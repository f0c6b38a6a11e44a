"""The parts of texts that wait for a place, by lane and project, the one that is ready longest first."""

from dataclasses import dataclass
from typing import Literal

from jobs.dispatch.rounds import Key


@dataclass(slots=True)
class LastRequest:
    """The last request of a text."""

    tokens: int = 0
    """What it has used. Until that is known, what the one before has used."""
    sent_at: float = 0.0


@dataclass(slots=True, eq=False)
class WaitingPart:
    """The next part of a text, from when it is ready until it has a place."""

    key: Key
    project: str
    tokens: int
    """What it is expected to use."""
    last: LastRequest
    """The one before it, and itself once it is sent."""
    ready_at: float
    due_at: float | None = None
    """Since when it could go by the share of its project, when it asked for a place first."""
    look_at: float = 0.0
    """When it asks again. Those behind it need not ask before."""
    kept_by: Literal["lane", "upstream"] | None = None
    """What had no place for it for longest when it asked last."""


class PartQueues:
    """Those of one process. Used from the event loop only."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[tuple[Key, str], list[WaitingPart]]] = {}

    def join(self, part: WaitingPart) -> None:
        """It waits from now on. Let it `leave` when it has a place, or its text is stopped."""
        self._queues.setdefault(part.key[0], {}).setdefault((part.key, part.project), []).append(part)

    def leave(self, part: WaitingPart) -> None:
        queues = self._queues[part.key[0]]
        queues[part.key, part.project].remove(part)
        if not queues[part.key, part.project]:
            del queues[part.key, part.project]
        if not queues:
            del self._queues[part.key[0]]

    def ahead_of(self, part: WaitingPart) -> list[WaitingPart]:
        """Those of its lane and project that were ready before."""
        queue = self._queues[part.key[0]][part.key, part.project]
        return queue[: queue.index(part)]

    def projects_at(self, upstream: str) -> set[str]:
        """Those with parts that wait there. Also asked from the thread of the rounds."""
        return {project for _, project in list(self._queues.get(upstream, ()))}

    def has_rivals(self, upstream: str) -> bool:
        """Whether parts of several projects wait there, and a limit has no place for one. Also asked by the rounds."""
        queues = list(self._queues.get(upstream, {}).values())
        return len(self.projects_at(upstream)) > 1 and any(part.kept_by for queue in queues for part in queue[:1])

    def rivals_of(self, part: WaitingPart) -> list[WaitingPart]:
        """The first of other lanes or projects that need what this one needs."""
        firsts = [queue[0] for queue in self._queues[part.key[0]].values()]
        return [one for one in firsts if one is not part and _is_rival(one, part)]

    def __len__(self) -> int:
        return sum(len(queue) for queues in self._queues.values() for queue in queues.values())


def _is_rival(one: WaitingPart, part: WaitingPart) -> bool:
    """In the same lane, or for what the upstream declares. If only its own lane keeps it, the others need not wait."""
    if one.key == part.key or one.kept_by == "upstream":
        return True
    return one.project == part.project and one.kept_by is None

"""How many more streams each lane and each upstream takes, while a round shares them out."""

import sys
from collections.abc import Callable, Mapping, Sequence

from jobs.dispatch.rounds import Key
from jobs.upstreams import UpstreamSpec

Room = Callable[[UpstreamSpec, str], int]
"""How many more streams an upstream takes of a model."""


class LaneRooms:
    """What is left of the room of each lane while streams are shared out. `shared` is how many more each upstream takes
    of all its models, and `most` how many lanes may have a turn.
    """

    def __init__(
        self, specs: Sequence[UpstreamSpec], room: Room, shared: Mapping[str, int], most: int = sys.maxsize
    ) -> None:
        self._specs = specs
        self.has_several = len(specs) > 1
        self._room = room
        self._shared = dict(shared)
        self.most = most
        self._left: dict[Key, int] = {}
        self._taken: set[Key] = set()

    @property
    def are_all_taken(self) -> bool:
        """Whether no other lane may have a turn."""
        return len(self._taken) >= self.most

    def open_to(self, model: str) -> list[UpstreamSpec]:
        """The upstreams that take one more of this model."""
        return [spec for spec in self._specs if self._shared[spec.name] > 0 and self._left_of(spec, model) > 0]

    @property
    def shared_room(self) -> int:
        """How many more all upstreams take together."""
        return sum(max(0, room) for room in self._shared.values())

    def has_room(self, key: Key) -> bool:
        """Whether this lane takes one more."""
        return any(spec.name == key[0] for spec in self.open_to(key[1]))

    def weight_of(self, name: str) -> float:
        return next(spec.weight for spec in self._specs if spec.name == name)

    def take(self, key: Key) -> None:
        """A stream of this lane is given out."""
        self._shared[key[0]] -= 1
        self._left[key] -= 1
        self._taken.add(key)

    def _left_of(self, spec: UpstreamSpec, model: str) -> int:
        key = (spec.name, model)
        if self.are_all_taken and key not in self._taken:
            return 0
        if key not in self._left:
            self._left[key] = self._room(spec, model) if spec.takes(model) else 0
        return self._left[key]

"""A request while it is asked for, maybe more than once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from worker.upstream.answer import Answer
from worker.upstream.dialects.parameters import Change, Named
from worker.upstream.errors import UpstreamError
from worker.upstream.own_words import OwnWords

MOST_CHANGES = 4
"""How many parameters of one request may be refused by name before that is its end."""


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """The upstream's answer is an error."""

    error: UpstreamError
    named: Named | None
    """What to ask without, or by another name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, its own words, and what is changed of it: what its model is known for, and what is tried now."""

    request: Mapping[str, object]
    answer: Answer
    own: OwnWords
    known: Sequence[Change]
    tried: list[Named] = field(default_factory=list)

    @property
    def model(self) -> str:
        return str(self.request.get("model"))

    @property
    def changes(self) -> list[Change]:
        return [*self.known, *(named.change for named in self.tried)]

    @property
    def new(self) -> list[Change]:
        """What this upstream is to be known for, if it takes the request."""
        return [named.change for named in self.tried if named.is_sure]

    def change(self, refusal: RefusedRequest) -> Change:
        """What to change before it is asked again. Raises the refusal's error when that is the end."""
        named = refusal.named
        if named is None or named.change in self.changes or len(self.tried) >= MOST_CHANGES:
            raise refusal.error
        self.tried.append(named)
        return named.change

"""What an upstream charges for tokens."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

DEFAULT_CURRENCY = "USD"


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost; None: not given."""

    input: float | None = None
    cached: float | None = None
    """Of the input tokens, those that the upstream had cached; None: the same as the others."""
    output: float | None = None
    currency: str = DEFAULT_CURRENCY
    models: tuple[str, ...] = ("*",)
    """Patterns of the models, by their names in jobs, that have this price."""

    def covers(self, model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in self.models)

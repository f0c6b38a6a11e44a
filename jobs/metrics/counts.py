"""Counting in plain integers: a histogram, and the names of models that may be labels."""

from bisect import bisect_left
from collections.abc import Sequence

OTHER = "other"
"""The label of all models beyond `MOST_MODELS`: users choose the names, and each label is a series for ever."""
MOST_MODELS = 40

SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: of a transaction or a round."""
DURATION = (0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36, 1310.72, 2621.44)
FIRST_TOKEN = (0.01, 0.02, 0.04, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 180.0, 600.0)
PER_TOKEN = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
"""These three as OpenTelemetry's conventions advise, and further for texts that take minutes."""
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304)


class Histogram:
    """How many values were at most each bound, and their sum."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """As Prometheus has them: each bound with all that is at most that."""
        found, total = [], 0
        for bound, count in zip((*self._bounds, None), self._counts, strict=True):
            total += count
            found.append(("+Inf" if bound is None else str(float(bound)), float(total)))
        return found

    @property
    def sum(self) -> float:
        return self._sum


class ModelLabels:
    """The label of each model: its name, for the first `MOST_MODELS` that come."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def label(self, model: str) -> str:
        """The name, or `OTHER`."""
        if model not in self._known:
            if len(self._known) >= MOST_MODELS:
                return OTHER
            self._known.add(model)
        return model

"""What an API process counts for its metrics, on the event loop alone."""

from collections import Counter

from jobs.metrics.counts import ModelLabels


class ApiCounts:
    """One for a process."""

    def __init__(self) -> None:
        self.models = ModelLabels()
        self.requests: Counter[tuple[str, str]] = Counter()
        """By method and status."""
        self.sent_bytes = 0

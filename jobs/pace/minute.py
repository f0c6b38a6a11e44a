"""What was counted in the last minute, in bins: a limit per minute shows only there."""

BIN_SECONDS, BINS = 5, 12

Bins = list[list[float]]
"""The beginning of each, and the sum; the newest are kept."""


def count(bins: Bins, at: float, amount: float = 1) -> Bins:
    """The bins with one more thing in them."""
    start = at // BIN_SECONDS * BIN_SECONDS
    for one in bins:
        if one[0] == start:
            one[1] += amount
            return bins
    return [*bins, [start, amount]][-BINS:]


def in_last_minute(bins: Bins, now: float) -> float:
    return sum(amount for start, amount in bins if start > now - 60)

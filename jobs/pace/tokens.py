"""The tokens of a lane: a bucket with reservation and settlement."""

import msgspec

from jobs.pace.minute import Bins, count, in_last_minute
from jobs.pace.reports import Finished, Observed
from jobs.pace.token_rate import TokenRate

MARGIN = 0.985
"""Share of a known limit that is used: the clocks of two machines and the time on the way differ a little."""
BURST_SECONDS = 1.5
"""The bucket holds what flows in within this time. Some upstreams count each second of a limit per minute, so it is
short; but while many small requests are held back by their number, one second's runs over (2 % lost, simulated).
"""
WINDOW_SECONDS = 60.0
"""No request takes more than flows in within this time, and no debt is larger: a limit per minute has forgotten by then
what was before. A request that said it might write a million tokens held up everybody else for minutes.
"""
SLOWEST = 1.0
"""Tokens a second, also when a limit says less: zero would never be looked at again."""
SMOOTHING = 0.1
"""How much one text moves the learned shares."""
SCARCE = 0.05
"""Below this share of a limit, what the headers say is left is made to last until they say it is refilled."""


class Stated(msgspec.Struct):
    """What headers said last of one kind of token."""

    per_second: float
    squeezed: float | None = None
    """Tokens a second until `squeezed_until`."""
    squeezed_until: float = 0.0


class Tokens(msgspec.Struct):
    level: float = 0.0
    """What may be taken now. Below zero after a large request, and when estimates were too low."""
    at: float = 0.0
    stated: dict[str, Stated] = msgspec.field(default_factory=dict)
    unstated: TokenRate = msgspec.field(default_factory=TokenRate)
    held_at: float = 0.0
    """When they last held a request back."""
    output_share: float = 0.75
    """Of all tokens, those that are output: some upstreams limit both apart, and only sums are reserved."""
    mean_used: float | None = None
    mean_estimate: float | None = None
    """Of finished texts and of reservations: estimates are high, and what a text will probably use is taken at once.
    Taken whole, they would hold back a lane of long texts until these have ended.
    """

    bins: Bins = msgspec.field(default_factory=list)
    """What was used, by when its request ended: for people to see."""

    def used_in_last_minute(self, now: float) -> float | None:
        """None: no request has said yet what it used."""
        return in_last_minute(self.bins, now) if self.bins else None

    def rate(self, from_file: float | None, now: float) -> float | None:
        """Tokens a second, or None: no limit is known."""
        rates = [] if from_file is None else [from_file / 60 * MARGIN]
        for kind, stated in self.stated.items():
            share = {"input_tokens": 1 - self.output_share, "output_tokens": self.output_share}.get(kind, 1.0)
            rate = stated.per_second * MARGIN
            if stated.squeezed is not None and now < stated.squeezed_until:
                rate = min(rate, stated.squeezed)
            rates.append(rate / max(0.05, share))
        if not rates and self.unstated.learned is not None:
            rates.append(self.unstated.learned)
        return max(min(rates), SLOWEST) if rates else None

    def advance(self, rate: float | None, now: float) -> None:
        if rate is None:
            self.level = 0.0
        else:
            self.level = max(self.level, -rate * WINDOW_SECONDS) + max(0.0, now - self.at) * rate
            self.level = min(rate * BURST_SECONDS, self.level)
        self.at = max(self.at, now)

    def opens_at(self, amount: float, rate: float | None, now: float) -> float:
        """When `amount` can be taken. One that is larger than the bucket waits until that is full and leaves a debt."""
        if rate is None:
            return now
        missing = min(amount, rate * BURST_SECONDS) - self.level
        return now + max(0.0, missing) / rate

    def expect(self, estimate: float, rate: float | None) -> float:
        """What a request of this estimate takes: what it will probably use."""
        if self.mean_used and self.mean_estimate:
            estimate *= min(2.0, max(0.05, self.mean_used / self.mean_estimate))
        return _within_window(estimate, rate)

    def take(self, amount: float, rate: float | None) -> None:
        amount = _within_window(amount, rate)
        self.level -= amount
        self.unstated.take(amount, self.at)

    def note_estimate(self, estimate: float) -> None:
        """It was reserved with this estimate."""
        self.mean_estimate = _towards(self.mean_estimate, estimate)

    def give_back(self, amount: float, rate: float | None) -> None:
        amount = _within_window(amount, rate)
        self.level += amount
        self.unstated.give_back(amount)

    def refused(self, amount: float, rate: float | None) -> None:
        amount = _within_window(amount, rate)
        self.level += amount
        self.unstated.refused(amount)

    def settle(self, report: Finished, rate: float | None) -> None:
        """Give back what was taken, less what was used. Of a text that nobody has counted, what was taken stays."""
        if report.used_tokens is None:
            return
        self.level += _within_window(report.reserved_tokens, rate) - report.used_tokens
        if report.used_tokens == 0:  # it was not written at all, so it says nothing of those that are
            return
        self.bins = count(self.bins, report.at, report.used_tokens)
        self.mean_used = _towards(self.mean_used, _within_window(report.used_tokens, rate))
        if report.output_tokens is not None and report.used_tokens > 0:
            share = min(1.0, max(0.0, report.output_tokens / report.used_tokens))
            self.output_share += SMOOTHING * (share - self.output_share)

    def empty(self, rate: float) -> None:
        """A request was refused although there seemed to be room: texts are longer than usual, so let the upstream
        catch up."""
        self.level = min(self.level, 0.0) - rate * BURST_SECONDS / 2

    def observe(self, report: Observed, now: float) -> None:
        if report.limit is None or report.limit <= 0:
            return
        stated = Stated(report.limit / max(0.1, report.window_seconds or 60.0))
        stated.squeezed, stated.squeezed_until = squeeze(report, now)
        self.stated[report.kind] = stated
        if report.kind == "tokens" and report.remaining is not None:
            self.level = min(self.level, report.remaining)


def _within_window(amount: float, rate: float | None) -> float:
    """Of a request that a version before has reserved or nobody planned, too."""
    return amount if rate is None else min(amount, rate * WINDOW_SECONDS)


def _towards(mean: float | None, value: float) -> float:
    return value if mean is None else mean + SMOOTHING * (value - mean)


def squeeze(report: Observed, now: float) -> tuple[float | None, float]:
    """How much a second is left until the headers' reset, if it is little: somebody else uses the same limit."""
    limit, remaining, reset = report.limit, report.remaining, report.reset_seconds
    if limit is None or remaining is None or reset is None or reset < 2.0 or remaining >= SCARCE * limit:
        return None, 0.0
    return max(remaining, 1.0) / reset, now + reset

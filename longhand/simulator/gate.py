"""Decides for each request whether the provider serves it: key, outage, credit, then the limits of its model."""

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from longhand.simulator.answers import (
    Refusal,
    refused_by_credit,
    refused_by_key,
    refused_by_limit,
    refused_by_outage,
)
from longhand.simulator.orders import ChatRequest
from longhand.simulator.provider import Limits, Provider
from longhand.simulator.windows import Window, make_window

# The `Retry-After` of a request that no wait would help: something that a client can parse.
_HOPELESS_WAIT_SECONDS = 60

_OVER_TIME = {
    "requests_per_second": ("requests", "requests per second (RPS)", 1.0),
    "requests_per_minute": ("requests", "requests per min (RPM)", 60.0),
    "tokens_per_minute": ("tokens", "tokens per min (TPM)", 60.0),
}


class Ticket(NamedTuple):
    """A request that is served; it is given back to the gate at its end."""

    usage: "ModelUsage | None"
    """None when its model has no limits."""
    prompt_tokens: int
    taken: list[tuple[Window, list[float]]]
    """The tokens that it has reserved."""


class ModelUsage:
    """What is used of the limits of one model."""

    def __init__(self) -> None:
        self.running = 0
        self.windows: dict[str, Window] = {}

    def fit(self, limits: Limits, before: Limits | None = None) -> None:
        """Count by these limits from now on. What was used stays used, unless it is counted in another way now."""
        shape = limits.window, limits.burst_seconds
        if before is not None and shape != (before.window, before.burst_seconds):
            self.windows.clear()
        for name, (_, _, seconds) in _OVER_TIME.items():
            limit: float | None = getattr(limits, name)
            if limit is None:
                self.windows.pop(name, None)
            elif window := self.windows.get(name):
                window.limit = limit
            else:
                self.windows[name] = make_window(limits.window, limit, seconds, limits.burst_seconds)

    def refusal(self, limits: Limits, tokens: int, now: float) -> Refusal | None:
        """Why a request of so many tokens is not accepted, or None."""
        by_minute = self.windows.get("tokens_per_minute")
        if by_minute and tokens > by_minute.largest:
            return refused_by_limit("too_large", "tokens per min (TPM)", by_minute.largest, tokens, math.inf)
        if limits.in_flight is not None and self.running >= limits.in_flight:
            return refused_by_limit("in_flight", "concurrent requests", limits.in_flight, 1, 1.0)
        for name, window in self.windows.items():
            of, what, _ = _OVER_TIME[name]
            amount = tokens if of == "tokens" else 1
            if wait := window.wait_for(amount, now):
                return refused_by_limit(of, what, window.limit, amount, wait)
        return None

    def take(self, tokens: int, now: float) -> list[tuple[Window, list[float]]]:
        """Count a request; the tokens it has reserved."""
        reserved = []
        for name, window in self.windows.items():
            if _OVER_TIME[name][0] == "requests":
                window.take(1, now)
            else:
                reserved.append((window, window.take(tokens, now)))
        return reserved


class Gate:
    """All that a provider counts. It is given the time, and does no I/O."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.limits: Limits = provider
        self.credit = provider.credit
        self.outage_status: int | None = None
        self.key_refused = False
        self._models: dict[str, ModelUsage] = {}

    def change_limits(self, limits: Limits) -> None:
        for usage in self._models.values():
            usage.fit(limits, self.limits)
        self.limits = limits

    def top_up(self, completions: int) -> None:
        self.credit = (self.credit or 0) + completions

    def run_out(self) -> None:
        self.credit = 0

    def check(self, key: str) -> Refusal | None:
        """Why nothing at all is served to this key now, or None."""
        if self.outage_status is not None:
            return refused_by_outage(self.outage_status)
        wrong = self.provider.key is not None and key != self.provider.key
        return refused_by_key() if self.key_refused or wrong else None

    def admit(self, request: ChatRequest, key: str, now: float) -> Ticket | Refusal:
        """Count a request that is served, or say why it is not."""
        if refusal := self.check(key):
            return refusal
        if self.credit == 0:
            return refused_by_credit()
        prompt_tokens = request.prompt_tokens()
        taken = []
        if usage := self._usage_of(request.model):
            tokens = prompt_tokens + (request.max_deltas or 0)
            if refusal := usage.refusal(self.limits, tokens, now):
                return refusal
            taken = usage.take(tokens, now)
            usage.running += 1
        if self.credit is not None:
            self.credit -= 1
        return Ticket(usage, prompt_tokens, taken)

    def end(self, ticket: Ticket, written_tokens: int, now: float, *, completed: bool) -> None:
        """A served request is over: it has used its prompt and what was written."""
        if self.credit is not None and not completed:
            self.credit += 1
        for window, entry in ticket.taken:
            window.settle(entry, ticket.prompt_tokens + written_tokens, now)
        if ticket.usage is not None:
            ticket.usage.running -= 1

    def headers(self, model: str, refusal: Refusal | None, now: float) -> list[tuple[str, str]]:
        """What an answer says of the limits."""
        headers = []
        if refusal is not None and refusal.wait_seconds is not None and self.limits.retry_after:
            wait = refusal.wait_seconds if math.isfinite(refusal.wait_seconds) else _HOPELESS_WAIT_SECONDS
            headers.append(("retry-after", str(max(1, math.ceil(wait)))))
        if self.limits.rate_headers and (usage := self._usage_of(model)):
            headers += _rate_headers(usage, now)
        return headers

    def _usage_of(self, model: str) -> ModelUsage | None:
        if not any(fnmatchcase(model, pattern) for pattern in self.limits.limited_models):
            return None
        usage = self._models.get(model)
        if usage is None:
            usage = self._models[model] = ModelUsage()
            usage.fit(self.limits)
        return usage


def _rate_headers(usage: ModelUsage, now: float) -> Iterator[tuple[str, str]]:
    # There is one header for requests: the longest window is what OpenAI's speaks of.
    windows = {_OVER_TIME[name][0]: window for name, window in usage.windows.items()}
    for of, window in windows.items():
        yield f"x-ratelimit-limit-{of}", f"{window.limit:.0f}"
        yield f"x-ratelimit-remaining-{of}", f"{math.floor(window.left(now))}"
        yield f"x-ratelimit-reset-{of}", write_duration(window.reset_seconds(now))


def write_duration(seconds: float) -> str:
    """A duration as OpenAI writes it: `120ms`, `7.66s`, `6m0s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:.3g}s" if minutes else f"{rest:.4g}s"

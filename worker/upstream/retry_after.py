"""How long an upstream asks to wait, read from the headers of its answer."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT_SECONDS = 3600.0
"""More than this is not believed: a mistaken header must not put a job to sleep for a year."""

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds to wait before the next call, at most `LONGEST_WAIT_SECONDS`; None when the upstream does not say.

    `headers` must find its names in lower case. The first of these that can be read counts: `retry-after-ms`;
    `retry-after` as seconds or as an HTTP date (RFC 9110, section 10.2.3); of `x-ratelimit-reset-requests` and
    `-tokens` the longer one whose `remaining` is 0.
    """
    wait = _read_number(headers.get("retry-after-ms"), 0.001)
    if wait is None:
        wait = _read_number(headers.get("retry-after"), 1.0)
    if wait is None:
        wait = _seconds_until(headers.get("retry-after"), now)
    if wait is None:
        spent = [kind for kind in ("requests", "tokens") if _is_zero(headers.get(f"x-ratelimit-remaining-{kind}"))]
        waits = [_read_duration(headers.get(f"x-ratelimit-reset-{kind}")) for kind in spent]
        wait = max((each for each in waits if each is not None), default=None)
    return None if wait is None else min(wait, LONGEST_WAIT_SECONDS)


def _read_number(value: str | None, unit_seconds: float) -> float | None:
    if value is None or not _NUMBER.fullmatch(value.strip()):
        return None
    number = float(value)
    return number * unit_seconds if math.isfinite(number) else LONGEST_WAIT_SECONDS


def _seconds_until(value: str | None, now: datetime) -> float | None:
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value.strip())
    except (ValueError, OverflowError):
        return None
    # An HTTP date is always GMT; one that says "-0000" comes back without a zone.
    return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())


def _is_zero(value: str | None) -> bool:
    return value is not None and value.strip() == "0"


def _read_duration(value: str | None) -> float | None:
    """Read `1s`, `6m0s` or `120ms`; some upstreams leave the unit out and mean seconds."""
    if value is None:
        return None
    if _DURATION.fullmatch(value.strip()):
        return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(value))
    return _read_number(value, 1.0)

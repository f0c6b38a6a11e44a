"""How long an upstream asks to wait, and what it states of its limits: headers, fields of a JSON body, and words."""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice

from worker.upstream.dialects.limit_headers import LIMIT_HEADERS, WAIT_FIELDS, WAIT_HEADERS, LimitRow
from worker.upstream.dialects.shapes import sentences_of
from worker.upstream.own_words import NO_WORDS, OwnWords
from worker.upstream.rate_limits import RateLimit

LONGEST_WAIT_SECONDS = 3600.0
"""More than this is not believed: a mistaken header must not put a job to sleep for a year."""

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# Every repetition has a bound: what an upstream says, or echoes of a prompt, must not keep the worker searching.
_DURATION = re.compile(r"(?:\d{1,20}(?:\.\d{1,20})?(?:ms|s|m|h|d)){1,8}", re.ASCII | re.IGNORECASE)
_DURATION_PART = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)(ms|s|m|h|d)", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)

_STRUCTURED = re.compile(r'"([^"]{0,100})"((?:\s*;\s*\w+=\d+(?:\.\d+)?)+)', re.ASCII)
_PARAMETER = re.compile(r"(\w{1,20})=(\d+(?:\.\d+)?)", re.ASCII)

_MOST_PLACES = 20
"""So often the words for a wait are looked at in one sentence: the request's own may stand before the upstream's."""

_MOST = 1e12
"""A larger limit is none."""

_EPOCH_SECONDS, _EPOCH_MS = 1e9, 1e12
"""A number so large is no wait, but the time at which it is over."""

_WORDS = re.compile(
    r"(?:again|retry|wait|reset\w{0,9}|available)\s{1,9}(?:\w{1,20}\s{1,9})?"
    r"(?:in|after|for|at least)[\s:]{0,9}(?:about\s{1,9})?"
    r"((?:\d{1,12}(?:\.\d{1,12})?\s{0,9}(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)(?![a-z])"
    r"[\s,]{0,9}(?:and\s{1,9})?){1,4})"
    r"|(?<!\d)(\d{1,12}(?:\.\d{1,12})?\s{0,9}(?:毫秒|秒|分钟))后",
    re.IGNORECASE,
)
_WORDS_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s{0,9}(ms|mi|[smh毫秒分])", re.IGNORECASE)
_WORD_SECONDS = {"ms": 0.001, "mi": 60.0, "m": 60.0, "s": 1.0, "h": 3600.0, "秒": 1.0, "分": 60.0, "毫": 0.001}
"""By the first letters; "milliseconds" is told from "minutes" before."""


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """The seconds to wait before the next call, at most `LONGEST_WAIT_SECONDS`; None when the headers do not say.

    `headers` must find its names in lower case. The first that can be read counts: one of `WAIT_HEADERS`, else the
    longest reset of those limits of which nothing remains.
    """
    for row in WAIT_HEADERS:
        wait = read_wait(headers.get(row.name), row.unit_seconds, now)
        if wait is not None:
            return wait
    spent = [limit.reset_seconds for limit in read_rate_limits(headers, now) if limit.remaining == 0]
    return max((reset for reset in spent if reset is not None), default=None)


def read_wait_of_body(found: object, body: bytes, now: datetime, own: OwnWords = NO_WORDS) -> float | None:
    """The same from the body of a refusal: a field of its JSON, else its words. `found` is its JSON, if it is any, and
    `own` the words of the request, which it may repeat.
    """
    fields = dict(_fields_of(found))
    for row in WAIT_FIELDS:
        if row.name in fields and not own.name(row.name):
            wait = read_wait(str(fields[row.name]), row.unit_seconds, now)
            if wait is not None:
                return wait
    sentences = list(sentences_of(found)) if found is not None else [body[:4096].decode("utf-8", "replace")]
    for sentence in sentences:
        for match in islice(_WORDS.finditer(sentence), _MOST_PLACES):
            if not own.have(match[0]):
                return min(_seconds_of_words(match), LONGEST_WAIT_SECONDS)
    return None


def read_rate_limits(headers: Mapping[str, str], now: datetime) -> tuple[RateLimit, ...]:
    """What the headers of any answer state of limits. What cannot be read is None."""
    stated = (row for row in LIMIT_HEADERS if row.limit in headers or row.remaining in headers)
    return (*(_read_limit(row, headers, now) for row in stated), *_read_structured(headers))


def read_wait(value: str | None, unit_seconds: float, now: datetime) -> float | None:
    """A wait in seconds: a number in its unit, a duration such as `6m0s`, an HTTP or ISO date, or an epoch time."""
    if value is None:
        return None
    value = value.strip()
    wait: float | None = None
    if _NUMBER.fullmatch(value):
        wait = _seconds_of_number(float(value), unit_seconds, now)
    elif _DURATION.fullmatch(value):
        wait = sum(float(number) * _UNIT_SECONDS[unit.lower()] for number, unit in _DURATION_PART.findall(value))
    else:
        wait = _seconds_until(value, now)
    return None if wait is None else min(wait, LONGEST_WAIT_SECONDS)


def _read_limit(row: LimitRow, headers: Mapping[str, str], now: datetime) -> RateLimit:
    reset = read_wait(headers.get(row.reset), 1.0, now)
    return RateLimit(
        row.kind,
        _read_count(headers.get(row.limit)),
        _read_count(headers.get(row.remaining)),
        reset,
        row.window_seconds,
    )


def _read_structured(headers: Mapping[str, str]) -> Iterator[RateLimit]:
    """`RateLimit: "default";r=50;t=30` with `RateLimit-Policy: "default";q=100;w=60`."""
    quotas = {name: _parameters(rest) for name, rest in _STRUCTURED.findall(headers.get("ratelimit-policy", ""))}
    for name, rest in _STRUCTURED.findall(headers.get("ratelimit", "")):
        found, quota = _parameters(rest), quotas.get(name, {})
        reset = min(found["t"], LONGEST_WAIT_SECONDS) if "t" in found else None
        yield RateLimit("requests", _count(quota.get("q")), _count(found.get("r")), reset, _count(quota.get("w")))


def _parameters(rest: str) -> dict[str, float]:
    return {key: float(value) for key, value in _PARAMETER.findall(rest)}


def _read_count(value: str | None) -> float | None:
    """`100`, also in `100, 100;w=60` as an older draft has it."""
    match = _NUMBER.match(value.strip()) if value else None
    return _count(float(match[0])) if match else None


def _count(stated: float | None) -> float | None:
    return stated if stated is not None and stated <= _MOST else None


def _seconds_of_number(number: float, unit_seconds: float, now: datetime) -> float:
    if not math.isfinite(number):
        return LONGEST_WAIT_SECONDS
    if number >= _EPOCH_MS:
        return max(0.0, number / 1000 - now.timestamp())
    if number >= _EPOCH_SECONDS:
        return max(0.0, number - now.timestamp())
    return number * unit_seconds


def _seconds_until(value: str, now: datetime) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            date = read(value)
        except (ValueError, OverflowError, TypeError):
            continue
        # An HTTP date is always GMT; one that says "-0000" comes back without a zone.
        return max(0.0, ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())
    return None


def _fields_of(found: object, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Every field with a plain value in a JSON value, the outermost last, so that it counts."""
    if depth > 6:
        return
    if isinstance(found, list):
        for item in found[:20]:
            yield from _fields_of(item, depth + 1)
    elif isinstance(found, Mapping):
        for value in found.values():
            yield from _fields_of(value, depth + 1)
        for name, value in found.items():
            if isinstance(value, str | int | float) and not isinstance(value, bool):
                yield name, value


def _seconds_of_words(match: re.Match[str]) -> float:
    words = re.sub("milli(?=s)", "m", match[1] or match[2], flags=re.IGNORECASE)
    return sum(float(number) * _WORD_SECONDS[unit.lower()] for number, unit in _WORDS_PART.findall(words))

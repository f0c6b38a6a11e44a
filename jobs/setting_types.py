"""The types of values that a setting may have."""

import ipaddress
import json
import re
from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

T = TypeVar("T")

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@,]+")

TEN_YEARS = 10 * 365 * 24 * 3600
"""The longest duration, in seconds: what is much longer no clock and no calendar can count."""

PrefixForm = Literal["none", "assistant", "prefix", "continue_final_message"]
"""How an upstream takes a text that it is to continue; none: it cannot."""

Seconds = Annotated[float, Field(gt=0, le=TEN_YEARS, allow_inf_nan=False)]


def _parse_json(given: object) -> object:
    try:
        return json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        raise ValueError('must be a JSON object, such as {"name": "value"}') from None


def _parse_origins(given: object) -> object:
    if not isinstance(given, str):
        return given
    origins = tuple(origin.strip().rstrip("/").lower() for origin in given.split(",") if origin.strip())
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise ValueError(f"must be origins such as https://app.example, or *, with commas between; not {origin!r}")
    return origins


Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_origins)]
"""The origins of pages, with commas between."""


def _parse_networks(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in given.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"must be networks such as 10.0.0.0/8, with commas between: {error}") from None


Networks = Annotated[
    tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], NoDecode, BeforeValidator(_parse_networks)
]
"""Networks in CIDR form, with commas between."""

JsonObject = Annotated[dict[str, T], NoDecode, BeforeValidator(_parse_json)]

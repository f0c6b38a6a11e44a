"""The types of values that a setting may have."""

import ipaddress
import json
import re
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from jobs.upstream_address import check_http_url, clean_key

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


def _check_database(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    if colon and scheme in ("postgres", "postgresql"):
        url = f"postgresql+psycopg://{rest}"
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise ValueError("must start with sqlite:/// or postgresql://")
    return url


DatabaseUrl = Annotated[str, AfterValidator(_check_database)]
"""With the driver in it."""


def _check_redis(url: str) -> str:
    if not url.startswith(("redis://", "rediss://")):
        raise ValueError("must start with redis:// or rediss://")
    return url


RedisUrl = Annotated[str, AfterValidator(_check_redis)]


def _check_http(url: str) -> str:
    return check_http_url(url, "the key belongs in LONGHAND_UPSTREAM_API_KEY")


HttpUrl = Annotated[str, AfterValidator(_check_http)]


def _clean_secret(value: SecretStr | None) -> SecretStr | None:
    key = clean_key(value.get_secret_value()) if value else ""
    return SecretStr(key) if key else None


UpstreamKey = Annotated[SecretStr | None, AfterValidator(_clean_secret)]
"""A key that fits in a header; None for an empty one."""

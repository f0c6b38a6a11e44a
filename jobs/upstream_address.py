"""Addresses and keys of upstreams: whether they can be used, and whose an address is: OpenAI's, or this Longhand's."""

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def check_http_url(url: str, where_keys_belong: str) -> str:
    """The URL without a slash at its end. Raises ValueError, without quoting it, when it cannot be used."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    parts = urlsplit(url)
    if not parts.hostname or parts.port == 0:
        raise ValueError("must name a host, and no port 0")
    if parts.username is not None:
        raise ValueError(f"must hold no user or password; {where_keys_belong}")
    return url.rstrip("/")


def clean_key(key: str) -> str:
    """The key without the line break that comes with many a file. Raises ValueError if it fits in no header."""
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("must be one word of ASCII characters, as the endpoint gave it")
    return key


def is_openai(url: str) -> bool:
    """Whether OpenAI itself answers there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return parts.scheme == "https" and (host == "api.openai.com" or host.endswith(".api.openai.com"))


def is_same_service(url: str, other: str) -> bool:
    """Whether both base URLs are of one service, with or without their `/v1`, by whatever name this machine goes."""
    return _place_of(url) == _place_of(other)


def _place_of(url: str) -> tuple[str, int | None, str]:
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/v1")
    return "localhost" if _is_this_machine(host) else host, parts.port or _PORTS.get(parts.scheme), path


def _is_this_machine(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified


def own_address_mistake(url: str, key: str, answers_at: Iterable[str]) -> str | None:
    """What is wrong with an upstream that is Longhand itself, or has a key of Longhand's own."""
    if any(is_same_service(url, own) for own in answers_at):
        return (
            "the upstream (LONGHAND_UPSTREAM_URL, or else OPENAI_BASE_URL) is the address of Longhand itself: set"
            " LONGHAND_UPSTREAM_URL to the endpoint that is to write, and LONGHAND_URL to where Longhand answers"
        )
    if key.startswith("lh_"):
        return (
            "the upstream's key (LONGHAND_UPSTREAM_API_KEY, or else OPENAI_API_KEY) begins with lh_, as Longhand's"
            " own keys do: set LONGHAND_UPSTREAM_API_KEY to the key that the upstream gave you"
        )
    return None

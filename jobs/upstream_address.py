"""Whose an upstream's address is: OpenAI's own, or that of this very Longhand."""

from ipaddress import ip_address
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


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

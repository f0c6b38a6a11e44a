"""Whose turn a request takes on the event loop, told from its head alone: nothing else is known yet, and it must cost
nearly nothing.
"""

import ipaddress
from functools import lru_cache

from uvicorn._types import HTTPScope

from api.access.keyring import Keyring

CHECKS = ("/healthz", "/readyz")
"""What watches over this process must not wait behind strangers."""

_V6_PREFIX = 64
"""Whoever has one IPv6 address has all that begin alike."""


def asker_of(scope: HTTPScope, keyring: Keyring) -> str:
    """The project, if the key was good when it was read last; else the address that this comes from."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            project = keyring.recall(value.partition(b" ")[2].strip().decode("latin-1"))
            if project is not None:
                return project
    client = scope["client"]
    # A name of a project has no space.
    address = f"from {_network(client[0]) if client else 'a socket'}"
    return f"{address} {scope['path']}" if scope["path"] in CHECKS else address


@lru_cache(maxsize=1024)
def _network(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((host, _V6_PREFIX), strict=False))

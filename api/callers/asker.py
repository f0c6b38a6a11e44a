"""Whose turn a request takes on the event loop, told from its head alone: nothing else is known yet, and it must cost
nearly nothing.
"""

import ipaddress
from functools import lru_cache

from uvicorn._types import HTTPScope

from api.access.keyring import Keyring
from api.http.request_turns import Asker

CHECKS = ("/healthz", "/readyz")
"""What watches over this process must not wait behind strangers."""

_V6_PREFIX = 48
"""A customer of a provider may get a whole /48. All its addresses count as one."""


def asker_of(scope: HTTPScope, keyring: Keyring) -> Asker:
    """The project, if the key was good when it was read last; else the address that this comes from."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            project = keyring.recall(value.partition(b" ")[2].strip().decode("latin-1"))
            if project is not None:
                return Asker("project", project)
    client = scope["client"]
    address = name_of_address(client[0]) if client else "a socket"
    return Asker("check" if scope["path"] in CHECKS else "stranger", address)


@lru_cache(maxsize=1024)
def name_of_address(host: str) -> str:
    """The address itself, or the network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((host, _V6_PREFIX), strict=False))

"""Which URLs and which addresses a webhook may have.

A key that may submit may name a URL, and Longhand calls it from inside its own network. So only global addresses are
asked, or those of the networks that `LONGHAND_WEBHOOK_ALLOW` names.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LookUp = Callable[[str, int], list[str]]
"""All addresses of a name. Raises OSError when it has none."""

LONGEST_URL = 2000

# They hold an IPv4 address, or lead out of the network by one: mapped, NAT64, Teredo and 6to4.
_TRANSLATED = tuple(
    ipaddress.ip_network(text) for text in ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")
)

# Not of this network either, whatever the Python at hand says of them: 192.0.0.192 and 168.63.129.16 are services of
# clouds that answer only the machines in them.
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "3fff::/20", "5f00::/16")
)


class ReceiverRefusedError(Exception):
    """A URL or an address that no webhook may have; the message says why."""


def check_url(url: str) -> tuple[str, int]:
    """The host and the port of a URL. Raises `ReceiverRefusedError`."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise ReceiverRefusedError(f"must be a URL of at most {LONGEST_URL} characters, all of them ASCII")
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname, parsed.port
    except ValueError:
        host = port = None
        parsed = urlsplit("")
    if parsed.scheme not in ("https", "http") or not host:
        raise ReceiverRefusedError("must be a URL such as https://app.example/webhooks")
    if "@" in parsed.netloc:
        raise ReceiverRefusedError("must not hold a user or a password: check the signature instead")
    if "\\" in url or "#" in url:
        raise ReceiverRefusedError("must not hold a backslash or a fragment (#)")
    if port == 0:
        raise ReceiverRefusedError("must not have the port 0")
    return host, port or (443 if parsed.scheme == "https" else 80)


def look_up(host: str, port: int) -> list[str]:
    """As the system finds them; it may take as long as its name servers do."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise OSError(f"{host!r} is no host name") from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_addresses(addresses: Iterable[str], allowed: Sequence[Network]) -> list[str]:
    """These addresses, if every one of them may be asked. Raises `ReceiverRefusedError`."""
    checked = list(addresses)
    for address in checked:
        if not is_permitted(address, allowed):
            raise ReceiverRefusedError(
                f"its address {address} is not a global one; LONGHAND_WEBHOOK_ALLOW permits a network of your own"
            )
    if not checked:
        raise ReceiverRefusedError("its host name has no address")
    return checked


def is_permitted(address: str, allowed: Sequence[Network]) -> bool:
    if "%" in address:  # the scope of a link-local address
        return False
    parsed = ipaddress.ip_address(address)
    if any(parsed.version == network.version and parsed in network for network in allowed):
        return True
    if any(parsed.version == network.version and parsed in network for network in (*_TRANSLATED, *_SPECIAL)):
        return False
    if parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified or parsed.is_link_local:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.is_site_local:
        return False
    return parsed.is_global

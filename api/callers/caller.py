"""The caller of a request: the project of its key or, before there is any key, a program on this machine."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.types import Scope

from api.access.budget import Account
from api.access.large_answers import ACCOUNT
from api.access.turns import ASKING, CLIENT, Client
from api.http.connections import CONNECTION
from api.http.errors import ApiError
from api.http.gone import has_gone
from api.services import Services, ServicesDep
from jobs.acceptance.format_check import count_slow_schemas
from jobs.tables import DEFAULT_PROJECT

CALLER = "longhand.caller"
"""The key in the scope under which a request finds its `Caller`."""

MAKE_KEY = (
    "make a key with `longhand keys create` where the service runs, and send it as `Authorization: Bearer lh_...`"
)

_PROXY_HEADERS = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})
_PROXY_PREFIXES = ("x-forwarded-", "x-original-")
_NO_HOST = frozenset("@/?#\\")
"""Signs that end the name in an address: `localhost#.evil` is no name of this machine."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller. `key_id` is None while there is no key and programs on this machine are served."""

    project: str
    key_id: str | None

    @property
    def account(self) -> Account:
        """What pays for what a request holds."""
        return self.project, self.key_id


InReference = Annotated[object, Depends(HTTPBearer(auto_error=False, description="An API key, `lh_...`."))]
"""Lets `/docs` show that a key is wanted, and send one; it is read below."""


async def read_caller(request: Request, services: ServicesDep, _shown: InReference = None) -> Caller:
    """As `find_caller`, which `KeyFirst` has asked. Its project, and the request itself, pay for what it costs."""
    caller: Caller | None = request.scope.get(CALLER)
    if caller is None:
        caller = await find_caller(request, services)
        count_for(request.scope, caller)
    count_slow_schemas()
    return caller


def count_for(scope: Scope, caller: Caller) -> None:
    """From here on, what the request costs is counted for this caller. Raises `ApiError` (503) where its project has
    too many connections.
    """
    connection = scope.get(CONNECTION)
    if connection is not None:
        connection.belongs_to(caller.project)
        CLIENT.set(Client(scope["method"] == "GET", partial(has_gone, scope)))
    ASKING.set(caller.project)
    scope[ACCOUNT] = caller.account


async def find_caller(request: Request, services: Services) -> Caller:
    """The caller of a request. Raises `ApiError`: 401 without a good key, 403 when no key is set up and this is not
    somebody on this machine.
    """
    header = request.headers.get("authorization")
    scheme, _, secret = (header or "").partition(" ")
    if not await services.keyring.requires_keys():
        # The first key may be seconds old. A request that sends it belongs to its project already, and its stream must
        # not be cut off when the key takes effect.
        key = await services.keyring.find(secret.strip()) if scheme.lower() == "bearer" else None
        if key is not None:
            return Caller(key.project, key.id)
        refuse_strangers(request, services.settings.cors_origins)
        return Caller(DEFAULT_PROJECT, None)
    if header is None:
        raise _unauthorized(f"no API key was sent: {MAKE_KEY}")
    if scheme.lower() != "bearer":
        raise _unauthorized("the Authorization header must be `Bearer lh_...`")
    key = await services.keyring.find(secret.strip())
    if key is None:
        # Nothing of what was sent is said again: it may be a good key of somebody else's service.
        raise _unauthorized(f"this API key is unknown or was revoked: {MAKE_KEY}")
    return Caller(key.project, key.id)


def is_operator(caller: Caller) -> bool:
    """Whether the caller may see and do what concerns all projects: the machine itself while there is no key, and then
    the keys of the project `default`.
    """
    return caller.project == DEFAULT_PROJECT


CallerDep = Annotated[Caller, Depends(read_caller)]
"""What every endpoint takes that reads or changes something: all that it touches is of `caller.project`."""


def refuse_strangers(request: Request, origins: Sequence[str] = ()) -> None:
    """Let through, while there is no key, only programs on this machine, and none of them on behalf of somebody else.

    A browser on this machine is such a program, and any web page can make it ask: so neither a name that somebody else
    may point here (DNS rebinding) nor the page of another origin is served, unless it is one of `origins`.
    """
    peer = request.client.host if request.client else "a socket"
    if not _is_loopback(peer):
        raise _forbidden(f"no API key is set up, so only the machine itself is served, and this is {peer}: {MAKE_KEY}")
    for name in request.headers:
        if name in _PROXY_HEADERS or name.startswith(_PROXY_PREFIXES):
            raise _forbidden(f"no API key is set up, and {name} says that a proxy asks for somebody else: {MAKE_KEY}")
    if request.scope.get("http_version") == "1.0":
        # nginx's default, also where it adds none of these headers; no browser or SDK speaks it.
        raise _forbidden("no API key is set up, and HTTP/1.0 is what a proxy speaks that asks for somebody else: ask by"
                         f" HTTP/1.1, or {MAKE_KEY}")  # fmt: skip
    host = request.headers.get("host", "")
    if not _is_loopback_name(_hostname(host)):
        raise _forbidden(f"no API key is set up, and the host name {host[:100]!r} is not this machine's own: ask"
                         f" 127.0.0.1 or localhost, or {MAKE_KEY}")  # fmt: skip
    origin = request.headers.get("origin", "").lower()
    site = request.headers.get("sec-fetch-site", "none")
    own = ("", f"http://{host.lower()}", f"https://{host.lower()}")
    if origin and origin in origins:
        return
    if origin not in own or site not in ("none", "same-origin"):
        raise _forbidden(f"no API key is set up, and this comes from the page of another origin: {MAKE_KEY}")


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _is_loopback_name(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _hostname(host: str) -> str:
    """The name in a Host header; empty when it is not one."""
    try:
        is_plain = _NO_HOST.isdisjoint(host)
        return (urlsplit(f"//{host}").hostname or "").rstrip(".") if is_plain else ""
    except ValueError:
        return ""


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, "invalid_api_key", message, headers={"WWW-Authenticate": "Bearer"})


def _forbidden(message: str) -> ApiError:
    return ApiError(403, "no_key_is_set_up", message)

"""The proxy to the upstream, for a network without a direct way out."""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed's gap

from jobs.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that opens tunnels (`CONNECT`, RFC 9110, 9.3.6). `authorization` is that header's value, or empty."""

    host: str
    port: int
    authorization: str = field(default="", repr=False)

    @property
    def where(self) -> str:
        """Its address as people may see it."""
        return f"the proxy {self.host}:{self.port}"


def find_proxy(upstream_url: str) -> Proxy | None:
    """The proxy that `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name for this upstream. None: it is reached directly,
    like every upstream without TLS.

    Raises `SettingsError` for one that cannot be used.
    """
    upstream = urlsplit(upstream_url)
    named = getproxies_environment()
    address = named.get("https") or named.get("all")
    host = upstream.hostname or ""
    if upstream.scheme != "https" or not address or proxy_bypass_environment(f"{host}:{upstream.port or 443}", named):
        return None
    try:
        return proxy_of(address)
    except ValueError as error:
        raise SettingsError(
            f"HTTPS_PROXY (or ALL_PROXY) {error}; set NO_PROXY={host} to reach the upstream without it"
        ) from None


def proxy_of(address: str) -> Proxy:
    """The proxy at this address, which may hold a user and a password. Raises ValueError if it cannot be used."""
    try:
        proxy = urlsplit(address if "://" in address else f"http://{address}")
        port = proxy.port or 80
    except ValueError:
        proxy, port = urlsplit(""), 0
    if proxy.scheme != "http" or not proxy.hostname:
        raise ValueError("must be like http://proxy.example:3128, the only kind of proxy that Longhand can use")
    credentials = f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}"
    authorization = "Basic " + b64encode(credentials.encode()).decode("ascii") if proxy.username else ""
    return Proxy(proxy.hostname, port, authorization)

"""One upstream as declared, and the set of all of them: frozen values without any current state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from jobs.pace.reports import LaneLimits
from jobs.proxy import Proxy
from jobs.setting_types import PrefixForm
from jobs.upstreams.price import Price

DEFAULT_UPSTREAM = "default"
"""The name of the one upstream that LONGHAND_UPSTREAM_URL means."""

DEFAULT_WEIGHT = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSpec:
    """An endpoint with a key, and how to use it. Two that are equal need not be opened twice."""

    name: str
    url: str = field(repr=False)
    """Base URL; its query may hold a key, so messages show `address`."""
    api_key: SecretStr | None = None
    """Sent as `Authorization: Bearer`; None: no such header."""
    models: tuple[str, ...] = ("*",)
    """Patterns (`*`, `?`, `[...]`, case counts) of the models that it takes."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """From the name of a model in a job to the upstream's own name of it."""
    tier: int = 0
    """Of all that take a model, those with the lowest tier get its jobs while they can."""
    weight: float = DEFAULT_WEIGHT
    """Its share among those of its tier."""
    max_streams: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    first_delta_seconds: float = 600
    between_deltas_seconds: float = 180
    total_seconds: float = 3600
    prefix: PrefixForm = "none"
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    parameters: Mapping[str, str | bool] = field(default_factory=dict)
    """Of a request: from the name of a parameter to the upstream's own name of it, or False: not sent."""
    think_tags: bool = False
    """Whether a `<think>` part at the beginning of its text is reasoning and not text."""
    loop_guard: bool = True
    """Whether to cut a text that repeats itself without end."""
    usage: bool = True
    """Whether to ask for `stream_options.include_usage`."""
    proxy: Proxy | None = None
    ca_file: Path | None = None
    """Certificates (PEM) that are trusted besides the system's."""
    ca_changed_at: int = 0
    """When `ca_file` was changed, in ns: with other certificates it is another upstream."""
    prices: tuple[Price, ...] = ()
    """The first that covers a model is its price."""

    @property
    def address_mark(self) -> str:
        """Tells its address from another one."""
        return sha256(self.address.encode()).hexdigest()[:12]

    @property
    def address(self) -> str:
        """The URL as people may see it: without its query."""
        return urlunsplit(urlsplit(self.url)._replace(query="", fragment=""))

    @property
    def limits(self) -> LaneLimits:
        """What is declared of its limits, which its models share."""
        return LaneLimits(self.max_streams, self.requests_per_minute, self.tokens_per_minute)

    def takes(self, model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    def price_of(self, model: str) -> Price | None:
        """The price of a model, by its name in jobs; None when none was given."""
        return next((price for price in self.prices if price.covers(model)), None)

    def model_name(self, model: str) -> str:
        """The upstream's own name of a model."""
        return self.rename.get(model, model)


UNDECLARED = UpstreamSpec(name=DEFAULT_UPSTREAM, url="")
"""The one upstream for a process that was told of none, such as an API: the workers know the rest of it."""


@dataclass(frozen=True, slots=True)
class Upstreams:
    """All that is declared, checked as a whole."""

    specs: tuple[UpstreamSpec, ...] = ()
    project_weights: Mapping[str, float] = field(default_factory=dict)

    def find(self, name: str) -> UpstreamSpec | None:
        return next((spec for spec in self.specs if spec.name == name), None)

    def find_or_bare(self, name: str) -> UpstreamSpec:
        """One that is not declared any more still has news of its lanes, and no limits."""
        return self.find(name) or UpstreamSpec(name=name, url="")

    def for_model(self, model: str) -> tuple[UpstreamSpec, ...]:
        """The upstreams that take this model, the lowest tier first, in the order of the file."""
        return tuple(sorted((spec for spec in self.specs if spec.takes(model)), key=lambda spec: spec.tier))

"""What a simulated provider allows and how it writes: limits, credit, keys and slots, as frozen values.

`longhand simulate` has an option for each field; a file of several providers (`longhand simulate --file`) has a
`[[upstream]]` table for each provider, with the same names.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from longhand.simulator.orders import Orders

Amount = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
WindowKind = Literal["sliding", "fixed", "bucket"]


class ProviderError(Exception):
    """A provider that cannot be simulated; the message names the field."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a provider accepts, all of it changeable at run time by `POST /limits`. None is no limit.

    The limits of requests, tokens and `in_flight` count each model apart, and only the models in `limited_models`.
    """

    requests_per_second: Amount | None = None
    requests_per_minute: Amount | None = None
    tokens_per_minute: Amount | None = None
    """A request takes its prompt and its `max_tokens`; at its end that is corrected to what it has used. One that takes
    more than this is refused with 429 each time.
    """
    in_flight: Positive | None = None
    limited_models: tuple[str, ...] = ("*",)
    """Shell patterns."""
    window: WindowKind = "sliding"
    """How a limit over time counts: the last minute, the minutes of the clock, or a bucket that refills steadily."""
    burst_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] | None = None
    """How many seconds of its refill a bucket holds; None: all of its minute or second."""
    retry_after: bool = False
    """A refusal says in `Retry-After` how many whole seconds to wait."""
    rate_headers: bool = False
    """Every answer has `x-ratelimit-*` headers in OpenAI's form."""
    slots: Positive | None = None
    """How many texts are written at once. Further requests wait inside the server and are not refused."""


class Provider(Limits, frozen=True, kw_only=True):
    """A whole provider. The default one takes everything and never fails."""

    credit: Count | None = None
    """How many completions are paid for. One is taken when a request begins, and given back if it does not complete."""
    key: str | None = None
    """The only API key that is accepted; None: any, and none."""
    deltas: Positive | None = None
    """How long each text is, whatever its prompt asks for. `max_tokens` may still cut it."""
    loop_after: Count | None = None
    """After how many deltas the first streamed answer to each prompt begins to repeat itself without end."""
    max_output_tokens: Positive | None = None
    """How long each answer may be at the most; a longer one ends there with `length`."""
    sloppy_continuations: bool = False
    """An answer that goes on with a text in a new message may greet, repeat its last words and reopen a code fence."""


HEALTHY = Provider()
"""It takes everything and never fails."""


class Upstream(Provider, frozen=True, kw_only=True):
    """One `[[upstream]]` of a file: a provider, its port and its pace."""

    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """0 picks a free one."""
    deltas_per_second: Seconds = 50
    first_delta_seconds: Seconds = 0.2


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    upstream: Annotated[list[Upstream], msgspec.Meta(min_length=1)]


_Made = TypeVar("_Made", bound=msgspec.Struct)


def make(kind: type[_Made], fields: dict[str, Any]) -> _Made:
    """A value of a kind from plain fields. Raises `ProviderError` that names the field that is wrong."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise ProviderError(str(error).replace(" - at `$.", " - at `")) from None


def changed(limits: Limits, changes: dict[str, Any]) -> Limits:
    """Limits with some of them changed; None takes a limit away."""
    return make(Limits, {**{name: getattr(limits, name) for name in Limits.__struct_fields__}, **changes})


def orders_by(provider: Provider, orders: Orders, *, may_loop: bool) -> Orders:
    """A request's orders, and what the provider orders of its own; the request's count more."""
    if provider.deltas is not None and orders.text is None and orders.deltas is None and orders.length is None:
        orders = msgspec.structs.replace(orders, length=provider.deltas)
    if provider.loop_after is not None and orders.loop_after is None and may_loop:
        orders = msgspec.structs.replace(orders, loop_after=provider.loop_after)
    return orders


def read_upstreams(path: Path) -> list[Upstream]:
    """Read a file of `[[upstream]]` tables. Raises `ProviderError` with a line for the person who wrote it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProviderError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProviderError(f"{path} is not TOML: {error}") from None
    try:
        upstreams = make(_File, content).upstream
    except ProviderError as error:
        raise ProviderError(f"{path}: {error}") from None
    ports = [upstream.port for upstream in upstreams if upstream.port]
    if twice := {port for port in ports if ports.count(port) > 1}:
        raise ProviderError(f"{path}: two upstreams have the port {min(twice)}")
    return upstreams

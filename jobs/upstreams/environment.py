"""The one upstream from environment variables, if you use no file."""

import os
from pathlib import Path

from jobs.settings import UPSTREAM_API_KEY, Settings, SettingsError
from jobs.upstreams.mistakes import Mistakes
from jobs.upstreams.spec import DEFAULT_UPSTREAM, Upstreams, UpstreamSpec
from jobs.upstreams.table import Table
from jobs.upstreams.wire import Wire


def upstreams_of_environment(settings: Settings, port: int = 0, *, needs_keys: bool = True) -> Upstreams:
    """The upstream of LONGHAND_UPSTREAM_URL, named `default`; none if that is not set and no keys are needed.

    Raises `SettingsError` with one line for each mistake.
    """
    if settings.upstream_url is None and not needs_keys:
        return Upstreams()
    url = settings.require_upstream_url(port)
    mistakes = Mistakes({}, needs_keys=needs_keys)
    wire = Wire(Path.cwd(), settings, port)
    given: dict[str, object] = {
        "headers": {name: value.get_secret_value() for name, value in settings.upstream_headers.items()},
        "parameters": settings.upstream_parameters,
    }
    if settings.upstream_api_key is not None and any(
        name.lower() == "authorization" for name in settings.upstream_headers
    ):
        raise SettingsError(
            "LONGHAND_UPSTREAM_HEADERS sets authorization, as LONGHAND_UPSTREAM_API_KEY (or OPENAI_API_KEY) does: leave"
            " one of them out"
        )
    table = Table(given, (), mistakes)
    spec = UpstreamSpec(
        name=DEFAULT_UPSTREAM,
        url=url,
        api_key=settings.upstream_api_key,
        first_delta_seconds=settings.first_delta_seconds,
        between_deltas_seconds=settings.between_deltas_seconds,
        total_seconds=settings.total_seconds,
        prefix=settings.upstream_prefix,
        headers=wire.read_headers(table),
        parameters=wire.read_parameters(table),
        think_tags=settings.upstream_think_tags,
        loop_guard=settings.loop_guard,
        usage=settings.upstream_usage,
        proxy=wire.read_proxy(table, url),
    )
    if len(mistakes):
        raise SettingsError("\n".join(_named(mistake.message) for mistake in mistakes.sorted()))
    return Upstreams((spec,))


def find_unused() -> list[str]:
    """The settings that describe one upstream and are set although a file declares all of them; not the key, which the
    file may name.
    """
    names = (name for name in os.environ if name.startswith("LONGHAND_UPSTREAM_") and os.environ[name])
    return sorted(name for name in names if name != UPSTREAM_API_KEY)


def _named(message: str) -> str:
    for what, name in (("the header", "HEADERS"), ("the parameter", "PARAMETERS")):
        if message.startswith(what):
            return f"LONGHAND_UPSTREAM_{name}: {message}"
    return message.removeprefix("this upstream cannot be reached: ").partition(", or say proxy =")[0]

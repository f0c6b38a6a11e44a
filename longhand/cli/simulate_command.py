"""The command `longhand simulate`: a made-up upstream, with the limits and outages of a real one."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from longhand.cli.stack_commands import Port
from longhand.client.errors import InputError, LonghandError
from longhand.terminal.output import print_line
from longhand.words.catalogue import t, translated

if TYPE_CHECKING:  # what it loads, no other command needs
    from longhand.simulator import Upstream

_LIMIT = typer.Option(rich_help_panel="limits")
_FAULT = typer.Option(rich_help_panel="faults")


def simulate(
    port: Port = 8441,
    host: str = "127.0.0.1",
    deltas_per_second: Annotated[float, typer.Option(min=0)] = 50,
    first_delta_seconds: Annotated[float, typer.Option(min=0)] = 0.2,
    deltas: Annotated[int | None, typer.Option(min=1)] = None,
    loop_after: Annotated[int | None, _FAULT] = None,
    max_output_tokens: Annotated[int | None, typer.Option(min=1)] = None,
    sloppy_continuations: Annotated[bool, typer.Option("--sloppy-continuations")] = False,
    file: Path | None = None,
    requests_per_second: Annotated[float | None, _LIMIT] = None,
    requests_per_minute: Annotated[float | None, _LIMIT] = None,
    tokens_per_minute: Annotated[float | None, _LIMIT] = None,
    in_flight: Annotated[int | None, _LIMIT] = None,
    slots: Annotated[int | None, _LIMIT] = None,
    window: Annotated[str, _LIMIT] = "sliding",
    burst_seconds: Annotated[float | None, _LIMIT] = None,
    limited_model: Annotated[list[str] | None, _LIMIT] = None,
    retry_after: Annotated[bool, _LIMIT] = False,
    rate_headers: Annotated[bool, _LIMIT] = False,
    credit: Annotated[int | None, _FAULT] = None,
    key: Annotated[str | None, _FAULT] = None,
) -> None:
    """Run an OpenAI-compatible upstream that writes made-up text, for trials, benchmarks and fault tests."""
    given = locals()  # the options have the names of the fields
    from longhand.simulator.provider import ProviderError, Upstream, make, read_upstreams  # noqa: PLC0415  # loads uvloop

    fields = {name: value for name, value in given.items() if name not in ("host", "file", "limited_model")}
    fields["limited_models"] = limited_model or ["*"]
    try:
        upstreams = read_upstreams(file) if file else [make(Upstream, fields)]
    except ProviderError as error:
        raise InputError(str(error)) from None
    _serve(host, upstreams)


def _serve(host: str, upstreams: "list[Upstream]") -> None:
    from longhand.simulator import run_simulators  # noqa: PLC0415  # loads uvloop

    def on_ready(urls: list[str]) -> None:
        for url in urls:
            print_line(t("simulate.ready", url=url))

    try:
        run_simulators(host, upstreams, on_ready)
    except OSError as error:
        # uvloop's own sentence about a taken port names the address twice.
        ports = t("simulate.or").join(str(upstream.port) for upstream in upstreams)
        why = translated(os.strerror(error.errno or 0))
        raise LonghandError(t("simulate.cannot_listen", host=host, ports=ports, why=why)) from None

"""The command `longhand simulate`: a made-up upstream, with the limits and outages of a real one."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from longhand.cli.stack_commands import Host, Port
from longhand.client.errors import InputError, LonghandError
from longhand.terminal.output import print_line

if TYPE_CHECKING:  # what it loads, no other command needs
    from longhand.simulator import Upstream

_LIMITS = "Limits"
_FAULTS = "Outages, credit and keys"


def _limit(text: str, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel=_LIMITS, **more)


def _fault(text: str, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel=_FAULTS, **more)


def simulate(
    port: Port = 8441,
    host: Host = "127.0.0.1",
    deltas_per_second: Annotated[float, typer.Option(help="In each stream; 0: no limit.", min=0)] = 50,
    first_delta_seconds: Annotated[float, typer.Option(help="Seconds to wait before the first delta.", min=0)] = 0.2,
    deltas: Annotated[int | None, typer.Option(help="Length of each text, whatever its prompt says.", min=1)] = None,
    loop_after: Annotated[
        int | None, _fault("After this many deltas the first answer to each prompt repeats itself without end.")
    ] = None,
    max_output_tokens: Annotated[int | None, typer.Option(help="Cut every answer at so many tokens.", min=1)] = None,
    sloppy_continuations: Annotated[
        bool, typer.Option("--sloppy-continuations", help="Asked for the rest, greet and repeat the last words.")
    ] = False,
    file: Annotated[Path | None, typer.Option(help="A TOML file of several [[upstream]], each with its port.")] = None,
    requests_per_second: Annotated[float | None, _limit("Requests in a second.")] = None,
    requests_per_minute: Annotated[float | None, _limit("Requests in a minute.")] = None,
    tokens_per_minute: Annotated[float | None, _limit("Tokens in a minute: the prompt's, and max_tokens.")] = None,
    in_flight: Annotated[int | None, _limit("Requests at once; more are refused.")] = None,
    slots: Annotated[int | None, _limit("Texts written at once; further requests wait in its queue.")] = None,
    tokens_per_request: Annotated[int | None, _limit("A request with more tokens is always refused.")] = None,
    window: Annotated[str, _limit("How a limit counts: sliding, fixed or bucket.")] = "sliding",
    burst_seconds: Annotated[
        float | None, _limit("Size of a bucket in seconds of refill. Default: the whole limit.")
    ] = None,
    limited_model: Annotated[list[str] | None, _limit("Which models have limits; a pattern, repeatable.")] = None,
    count_refused: Annotated[bool, _limit("Count refused requests too.")] = False,
    retry_after: Annotated[bool, _limit("Send Retry-After with a refusal.")] = False,
    rate_headers: Annotated[bool, _limit("Send x-ratelimit-* headers.")] = False,
    outage: Annotated[list[str] | None, _fault("START:SECONDS refuses connections, START:SECONDS:503 answers.")] = None,
    credit: Annotated[int | None, _fault("Completions until the account is out of credit.")] = None,
    credit_status: Annotated[int, _fault("Status for missing credit: 429, 402 or 403.")] = 429,
    top_up: Annotated[list[str] | None, _fault("AT:COMPLETIONS adds credit at that second.")] = None,
    key: Annotated[str | None, _fault("Accept only this API key.")] = None,
    key_refused_after: Annotated[float | None, _fault("Accept no key after this many seconds.")] = None,
) -> None:
    """Run an OpenAI-compatible upstream that writes made-up text, for trials, benchmarks and fault tests.

    With --file, all other options except --host are in the file, under the same names: `requests_per_minute = 600`,
    `outages = [{start = 10, seconds = 60, status = 503}]`, `limited_models = ["gpt-*"]`, `top_ups = [{at = 60,
    completions = 100}]`. GET /stats reports the calls. POST /limits, /credit, /key and /outage change these while it
    runs; each takes JSON, such as {"requests_per_minute": 1200}.

    Example: `longhand simulate --port 9000`
    """
    from longhand.simulator.provider import ProviderError, Upstream, make, read_upstreams  # noqa: PLC0415  # loads uvloop

    fields: dict[str, Any] = {
        "port": port,
        "deltas_per_second": deltas_per_second,
        "first_delta_seconds": first_delta_seconds,
        "deltas": deltas,
        "loop_after": loop_after,
        "max_output_tokens": max_output_tokens,
        "sloppy_continuations": sloppy_continuations,
        "requests_per_second": requests_per_second,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "in_flight": in_flight,
        "slots": slots,
        "tokens_per_request": tokens_per_request,
        "window": window,
        "burst_seconds": burst_seconds,
        "limited_models": limited_model or ["*"],
        "count_refused": count_refused,
        "retry_after": retry_after,
        "rate_headers": rate_headers,
        "outages": [_outage(text) for text in outage or ()],
        "credit": credit,
        "credit_status": credit_status,
        "top_ups": [_top_up(text) for text in top_up or ()],
        "key": key,
        "key_refused_after": key_refused_after,
    }
    try:
        upstreams = read_upstreams(file) if file else [make(Upstream, fields)]
    except ProviderError as error:
        raise InputError(str(error)) from None
    _serve(host, upstreams)


def _serve(host: str, upstreams: "list[Upstream]") -> None:
    from longhand.simulator import run_simulators  # noqa: PLC0415  # loads uvloop

    def on_ready(urls: list[str]) -> None:
        for url in urls:
            print_line(f"simulator ready: LONGHAND_UPSTREAM_URL={url}")

    try:
        run_simulators(host, upstreams, on_ready)
    except OSError as error:
        # uvloop's own sentence about a taken port names the address twice.
        ports = " or ".join(str(upstream.port) for upstream in upstreams)
        raise LonghandError(f"cannot listen on {host} port {ports}: {os.strerror(error.errno or 0)}") from None


def _outage(text: str) -> dict[str, Any]:
    start, _, rest = text.partition(":")
    seconds, _, status = rest.partition(":")
    try:
        made: dict[str, Any] = {"start": float(start), "seconds": float(seconds)}
        return made | ({"status": int(status)} if status else {})
    except ValueError:
        raise InputError(f"--outage {text}: give START:SECONDS or START:SECONDS:STATUS, such as 10:60:503") from None


def _top_up(text: str) -> dict[str, Any]:
    at, _, completions = text.partition(":")
    try:
        return {"at": float(at), "completions": int(completions)}
    except ValueError:
        raise InputError(f"--top-up {text}: give AT:COMPLETIONS, such as 60:100") from None

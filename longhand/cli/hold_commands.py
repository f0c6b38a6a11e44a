"""The commands `longhand pause` and `longhand resume`."""

from typing import Annotated

import typer

from longhand.cli.arguments import AsJson
from longhand.cli.command_client import open_client
from longhand.client.hold_calls import Held
from longhand.client.objects import Json
from longhand.terminal.output import print_json, print_line
from longhand.terminal.waiting_words import hold_arguments, hold_sentence

BatchArgument = Annotated[str | None, typer.Argument(metavar="[BATCH]", help="The id of a batch.")]
Model = Annotated[str | None, typer.Option(metavar="NAME", help="A model, of all projects.")]
Upstream = Annotated[str | None, typer.Option(metavar="NAME", help="An upstream, as `longhand upstreams` lists it.")]
Project = Annotated[str | None, typer.Option(metavar="NAME", help="A project.")]


def pause(
    batch: BatchArgument = None,
    model: Model = None,
    upstream: Upstream = None,
    project: Project = None,
    release: Annotated[
        bool, typer.Option("--release", help="Also give back the jobs that run, uncharged; they start again later.")
    ] = False,
    message: Annotated[str, typer.Option(help="Why; shown wherever the hold is.")] = "",
    as_json: AsJson = False,
) -> None:
    """Start no more jobs of a batch, or of a --model, an --upstream or a --project, until `longhand resume`.

    Jobs that run go on. What is held is not charged; deadlines go on.

    Examples: `longhand pause batch_...`, `longhand pause --model gpt-4o --release --message 'too expensive today'`
    """
    with open_client() as client:
        held = client.pause(batch, release_running=release, message=message, **_given(model, upstream, project))
    if as_json:
        print_json(held)
        return
    running = "those that run are given back, uncharged" if release else "those that run go on"
    then = f"start it again with: longhand resume {hold_arguments(held)}"
    print_line(f"{_named(held)}: paused; no more of its jobs start, {running}; {then}")


def resume(
    batch: BatchArgument = None,
    model: Model = None,
    upstream: Upstream = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Lift the hold of a batch, or of a --model, an --upstream or a --project, also one that Longhand has set.

    Examples: `longhand resume batch_...`, `longhand resume --upstream openai`
    """
    with open_client() as client:
        held = client.resume(batch, **_given(model, upstream, project))
        if as_json:
            print_json(held)
            return
        print_line(f"{_named(held)}: resumed; its jobs start as soon as there is room")
        # It may be held as a whole, and its model or its upstream besides.
        other = client.batch(batch).get("hold") if batch is not None else None
    if other:
        print_line(f"{batch} still waits: {hold_sentence(other)}")


def _given(model: str | None, upstream: str | None, project: str | None) -> Held:
    held = Held()
    if model is not None:
        held["model"] = model
    if upstream is not None:
        held["upstream"] = upstream
    if project is not None:
        held["project"] = project
    return held


def _named(held: Json) -> str:
    return held["target"] if held["kind"] == "batch" else f"{held['kind']} {held['target']}"

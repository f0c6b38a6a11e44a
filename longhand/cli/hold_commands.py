"""The commands `longhand pause` and `longhand resume`."""

from typing import Annotated

import typer

from longhand.cli.arguments import AsJson
from longhand.cli.command_client import open_client
from longhand.client.hold_calls import Held
from longhand.client.objects import Json
from longhand.terminal.output import print_json, print_line
from longhand.terminal.waiting_words import hold_arguments, hold_sentence
from longhand.words.catalogue import t

BatchArgument = Annotated[str | None, typer.Argument(metavar="[BATCH]")]
Model = Annotated[str | None, typer.Option(metavar="NAME")]
Upstream = Annotated[str | None, typer.Option(metavar="NAME")]
Project = Annotated[str | None, typer.Option(metavar="NAME")]


def pause(
    batch: BatchArgument = None,
    model: Model = None,
    upstream: Upstream = None,
    project: Project = None,
    release: Annotated[bool, typer.Option("--release")] = False,
    message: str = "",
    as_json: AsJson = False,
) -> None:
    """Start no more jobs of a batch, or of a --model, an --upstream or a --project, until `longhand resume`."""
    with open_client() as client:
        held = client.pause(batch, release_running=release, message=message, **_given(model, upstream, project))
    if as_json:
        print_json(held)
        return
    key = "pause.released" if release else "pause.done"
    print_line(t(key, name=_named(held), arguments=hold_arguments(held)))


def resume(
    batch: BatchArgument = None,
    model: Model = None,
    upstream: Upstream = None,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Lift the hold of a batch, or of a --model, an --upstream or a --project, also one that Longhand has set."""
    with open_client() as client:
        held = client.resume(batch, **_given(model, upstream, project))
        if as_json:
            print_json(held)
            return
        print_line(t("resume.done" if held.get("changed", True) else "resume.not_paused", name=_named(held)))
        # It may be held as a whole, and its model or its upstream besides.
        other = client.batch(batch).get("hold") if batch is not None else None
    if other:
        print_line(t("resume.still_waits", batch=batch, why=hold_sentence(other)))


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
    return t(f"held.{held['kind']}", name=held["target"])

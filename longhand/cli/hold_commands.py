"""The commands `longhand pause` and `longhand resume`."""

from typing import Annotated, cast

import typer

from longhand.cli.arguments import AsJson
from longhand.cli.command_client import open_client
from longhand.client.hold_calls import Held
from longhand.client.objects import Json
from longhand.terminal.output import print_answer, print_json, print_line
from longhand.terminal.waiting_words import hold_arguments, hold_sentence
from longhand.words.catalogue import t

BatchArgument = Annotated[str | None, typer.Argument(metavar="[BATCH]")]
Name = Annotated[str | None, typer.Option(metavar="NAME")]


def pause(
    batch: BatchArgument = None,
    model: Name = None,
    upstream: Name = None,
    project: Name = None,
    release: Annotated[bool, typer.Option("--release")] = False,
    message: str = "",
    as_json: AsJson = False,
) -> None:
    """Pause a batch, a --model, an --upstream or a --project: no new job starts until `longhand resume`."""
    with open_client() as client:
        others = _given(model=model, upstream=upstream, project=project)
        held = client.pause(batch, release_running=release, message=message, **others)
    key = "pause.released" if release else "pause.done"
    print_answer(held, t(key, name=_named(held), arguments=hold_arguments(held)), as_json=as_json)


def resume(
    batch: BatchArgument = None,
    model: Name = None,
    upstream: Name = None,
    project: Name = None,
    as_json: AsJson = False,
) -> None:
    """Resume a batch, a --model, an --upstream or a --project, also one that Longhand itself has put on hold."""
    with open_client() as client:
        held = client.resume(batch, **_given(model=model, upstream=upstream, project=project))
        if as_json:
            print_json(held)
            return
        print_line(t("resume.done" if held.get("changed", True) else "resume.not_paused", name=_named(held)))
        # It may be held as a whole, and its model or its upstream besides.
        other = client.batch(batch).get("hold") if batch is not None else None
    if other:
        print_line(t("resume.still_waits", batch=batch, why=hold_sentence(other)))


def _given(**named: str | None) -> Held:
    return cast("Held", {kind: name for kind, name in named.items() if name is not None})


def _named(held: Json) -> str:
    return t(f"held.{held['kind']}", name=held["target"])

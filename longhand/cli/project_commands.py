"""The commands `longhand projects ...`: how long each keeps what has ended. They talk to the database."""

from typing import TYPE_CHECKING, Annotated

import typer

from longhand.cli.arguments import AsJson, read_seconds
from longhand.cli.key_commands import command_database
from longhand.client.errors import InputError
from longhand.client.objects import Json
from longhand.terminal import lists, tables
from longhand.terminal.output import print_json, print_line
from longhand.words.catalogue import t

if TYPE_CHECKING:
    from jobs.store.projects import Project


def make_projects_app() -> typer.Typer:
    """The commands under `longhand projects`."""
    projects = typer.Typer(no_args_is_help=True)
    projects.command("list")(list_all)
    projects.command("retention")(retention)
    return projects


def list_all(as_json: AsJson = False) -> None:
    """List the projects, and how long each keeps ended jobs, batches and uploads."""
    with command_database() as database:
        from jobs.store.projects import list_projects  # noqa: PLC0415  # loads SQLAlchemy

        listed = list_projects(database)
    if as_json:
        print_json([_shown(project) for project in listed])
    else:
        tables.table_console().print(
            lists.projects_table([(project.name, _words(project.keep_seconds)) for project in listed])
        )


def retention(
    project: Annotated[str, typer.Argument(metavar="PROJECT")],
    period: Annotated[str, typer.Argument(metavar="PERIOD")],
    as_json: AsJson = False,
) -> None:
    """Delete what ended longer ago than this: jobs, batches and uploads that have no `expires_after` of their own."""
    seconds = None if period == "never" else read_seconds(period, "projects.no_period")
    with command_database() as database:
        from jobs.store.projects import list_projects, set_keep_seconds  # noqa: PLC0415  # loads SQLAlchemy

        names = [project.name for project in list_projects(database)]
        if project not in names:
            raise InputError(t("projects.no_such", name=repr(project[:80]), names=", ".join(names)))
        changed = set_keep_seconds(database, project, seconds)
    if as_json:
        print_json(_shown(changed))
    key = "projects.kept" if seconds is None else "projects.deleted"
    print_line(t(key, project=project, period=_words(seconds)), err=True)


def _words(seconds: int | None) -> str:
    if seconds is None:
        return t("projects.never")
    for letter, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{letter}"
    return f"{seconds}s"


def _shown(project: "Project") -> Json:
    """A project as JSON."""
    return {"name": project.name, "retention_seconds": project.keep_seconds}

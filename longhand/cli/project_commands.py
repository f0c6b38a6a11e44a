"""The commands `longhand projects ...`: how long each keeps what has ended. They talk to the database."""

from typing import TYPE_CHECKING, Annotated

import typer

from longhand.cli.arguments import AsJson
from longhand.cli.key_commands import command_database
from longhand.client.errors import InputError
from longhand.client.objects import Json
from longhand.terminal import lists, tables
from longhand.terminal.output import print_json, print_line

if TYPE_CHECKING:
    from jobs.store.projects import Project

_NEVER = "never"


def make_projects_app() -> typer.Typer:
    """The commands under `longhand projects`."""
    projects = typer.Typer(help="How long projects keep what has ended. Needs the database.", no_args_is_help=True)
    projects.command("list")(list_all)
    projects.command("retention")(retention)
    return projects


def list_all(as_json: AsJson = False) -> None:
    """List the projects, and how long each keeps ended jobs, batches and uploads.

    Example: `longhand projects list`
    """
    with command_database() as database:
        from jobs.store.projects import list_projects  # noqa: PLC0415  # loads SQLAlchemy

        listed = list_projects(database)
    if as_json:
        print_json([_shown(project) for project in listed])
    else:
        tables.table_console().print(lists.projects_table([(one.name, _words(one.keep_seconds)) for one in listed]))


def retention(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="Its name; `default` without any keys.")],
    period: Annotated[
        str, typer.Argument(metavar="PERIOD", help="Such as 12h or 30d, at least 1h; `never`: nothing is deleted.")
    ],
    as_json: AsJson = False,
) -> None:
    """Delete what ended longer ago than this: jobs, batches and uploads that have no `expires_after` of their own.

    It begins within seconds, also with what is there already, and cannot be undone. Nothing is deleted before its end.

    Examples: `longhand projects retention default 30d`, `longhand projects retention news never`
    """
    seconds = None if period == _NEVER else _seconds(period)
    with command_database() as database:
        from jobs.store.projects import list_projects, set_keep_seconds  # noqa: PLC0415  # loads SQLAlchemy

        names = [one.name for one in list_projects(database)]
        if project not in names:
            raise InputError(f"no project is named {project[:80]!r}; there are {', '.join(names)}")
        said = set_keep_seconds(database, project, seconds)
    if as_json:
        print_json(_shown(said))
    what = "is kept until you delete it" if seconds is None else f"is deleted {_words(seconds)} after its end"
    print_line(f"project {project}: what has ended {what}", err=True)


def _seconds(period: str) -> int:
    from jobs.model.retention import LONGEST_SECONDS, SHORTEST_SECONDS, read_period  # noqa: PLC0415  # loads SQLAlchemy

    seconds = read_period(period)
    if seconds is None or not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise InputError(f"{period[:40]!r} is no time from 1h to ten years, such as 12h or 30d, and not `never`")
    return seconds


def _words(seconds: int | None) -> str:
    if seconds is None:
        return _NEVER
    for letter, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{letter}"
    return f"{seconds}s"


def _shown(project: "Project") -> Json:
    """A project as JSON."""
    return {"name": project.name, "retention_seconds": project.keep_seconds}

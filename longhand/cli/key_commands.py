"""The commands `longhand keys ...`: who may use this Longhand. They talk to the database, not to the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.settings import load_settings
from longhand.client.errors import InputError, LonghandError, first_line
from longhand.terminal import tables
from longhand.terminal.output import say

if TYPE_CHECKING:
    from jobs.store.database import Database


def make_keys_app() -> typer.Typer:
    """The commands under `longhand keys`."""
    keys = typer.Typer(help="Create, list and revoke API keys. Needs the database.", no_args_is_help=True)
    keys.command("create")(create)
    keys.command("list")(list_all)
    keys.command("revoke")(revoke)
    return keys


def create(
    project: Annotated[
        str, typer.Option(help="The project whose jobs the key can see; a new name creates one.")
    ] = "default",
    name: Annotated[str, typer.Option(help="A note for you, such as who has the key.")] = "",
) -> None:
    """Create a key. It is printed once, alone on stdout, and never again: KEY=$(longhand keys create).

    After the first key, every request needs one, also from this machine. All keys of a project see the same jobs,
    batches and files, and none of another project.
    """
    with _database() as database:
        from jobs.store.keys import any_keys, create_key  # noqa: PLC0415  # loads SQLAlchemy

        first = not any_keys(database)
        key, secret = create_key(database, project=project, name=name)
    say(secret)
    say(f"{key.id}, project {key.project}: it is not shown again", err=True)
    if first:
        say(
            "this is the first key: in 5 s every request needs one; the commands and the client take it from"
            " LONGHAND_API_KEY",
            err=True,
        )


def list_all() -> None:
    """List the keys, also revoked ones, each by its first characters: the rest is stored only as a hash."""
    with _database() as database:
        from jobs.store.keys import list_keys  # noqa: PLC0415  # loads SQLAlchemy

        listed = list_keys(database)
    if listed:
        tables.table_console().print(tables.keys_table(listed))
    else:
        say("no keys yet, and only this machine is served: longhand keys create", err=True)


def revoke(
    key: Annotated[str, typer.Argument(metavar="ID_OR_PREFIX", help="As `longhand keys list` shows it.")],
) -> None:
    """Revoke a key. Within 5 s it is refused, and within 8 s the streams that it opened end."""
    with _database() as database:
        from jobs.store.keys import revoke_key  # noqa: PLC0415  # loads SQLAlchemy

        revoked = revoke_key(database, key)
    say(f"{revoked.id} ({revoked.prefix}..., project {revoked.project}): revoked", err=True)


@contextmanager
def _database() -> "Iterator[Database]":
    """The database that the settings name; its errors become one line."""
    settings = load_settings()

    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # loads SQLAlchemy

    from jobs.store.database import open_database  # noqa: PLC0415  # loads SQLAlchemy
    from jobs.store.keys import KeyRefusedError  # noqa: PLC0415  # loads SQLAlchemy
    from jobs.store.revision import RevisionError, check_revision  # noqa: PLC0415  # loads SQLAlchemy

    try:
        check_revision(settings.database)
        database = open_database(settings.database, connections=1)
        try:
            yield database
        finally:
            database.close()
    except KeyRefusedError as error:
        raise InputError(str(error)) from None
    except RevisionError as error:
        raise LonghandError(str(error)) from None
    except SQLAlchemyError as error:
        raise LonghandError(f"the database does not answer: {first_line(error)}") from None

"""The commands `longhand keys ...`: who may use this Longhand. They talk to the database, not to the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.settings import load_settings
from longhand.cli.arguments import AsJson
from longhand.client.errors import InputError, LonghandError, first_line
from longhand.client.objects import Json
from longhand.terminal import lists, tables
from longhand.terminal.output import print_json, print_line
from longhand.words.catalogue import t

if TYPE_CHECKING:
    from jobs.store.database import Database
    from jobs.store.keys import ApiKey


def make_keys_app() -> typer.Typer:
    """The commands under `longhand keys`."""
    keys = typer.Typer(no_args_is_help=True)
    keys.command("create")(create)
    keys.command("list")(list_all)
    keys.command("revoke")(revoke)
    return keys


def create(
    project: str = "default",
    name: str = "",
    as_json: AsJson = False,
) -> None:
    """Create a key. It is printed once, alone on stdout, and never again: KEY=$(longhand keys create)."""
    with command_database() as database:
        from jobs.store.keys import any_keys, create_key, find_hidden_projects  # noqa: PLC0415  # loads SQLAlchemy

        first = not any_keys(database)
        key, secret = create_key(database, project=project, name=name)
        hidden = find_hidden_projects(database, key.project)
    if as_json:
        print_json({**_shown(key), "key": secret})
    else:
        print_line(secret)
    print_line(t("keys.created", id=key.id, project=key.project), err=True)
    if hidden:
        print_line(t("keys.hidden", names=", ".join(hidden), project=key.project, first=hidden[0]), err=True)
    if first:
        print_line(t("keys.first"), err=True)


def list_all(as_json: AsJson = False) -> None:
    """List the keys, also revoked ones, each by its first characters: the rest is stored only as a hash."""
    with command_database() as database:
        from jobs.store.keys import list_keys  # noqa: PLC0415  # loads SQLAlchemy

        listed = list_keys(database)
    if as_json:
        print_json([_shown(key) for key in listed])
    elif listed:
        tables.table_console().print(lists.keys_table(listed))
    else:
        print_line(t("keys.none"), err=True)


def revoke(
    key: Annotated[str, typer.Argument(metavar="ID_OR_PREFIX")],
    as_json: AsJson = False,
) -> None:
    """Revoke a key. Within 5 s it is refused, and within 8 s the streams that it opened end."""
    with command_database() as database:
        from jobs.store.keys import revoke_key  # noqa: PLC0415  # loads SQLAlchemy

        revoked = revoke_key(database, key)
    if as_json:
        print_json(_shown(revoked))
    print_line(t("keys.revoked", id=revoked.id, prefix=revoked.prefix, project=revoked.project), err=True)


def _shown(key: "ApiKey") -> Json:
    """A key without its secret, as JSON. Times are Unix seconds."""
    return {
        "id": key.id,
        "prefix": key.prefix,
        "project": key.project,
        "name": key.name,
        "created_at": key.created_at.timestamp(),
        "revoked_at": key.revoked_at.timestamp() if key.revoked_at else None,
    }


@contextmanager
def command_database() -> "Iterator[Database]":
    """The database that the settings name; its errors become one line."""
    settings = load_settings()

    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # loads SQLAlchemy

    from jobs.store.database import open_database  # noqa: PLC0415  # loads SQLAlchemy
    from jobs.store.keys import KeyRefusedError  # noqa: PLC0415  # loads SQLAlchemy
    from jobs.store.revision import RevisionError, check_revision  # noqa: PLC0415  # loads SQLAlchemy

    kept = settings.database.removeprefix("sqlite:///")
    if settings.database_url is None and not Path(kept).exists():
        # To migrate here would make a second database, which `longhand up` does not look at.
        raise LonghandError(t("database.none_here"))
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
        raise LonghandError(t("database.away", why=first_line(error))) from None

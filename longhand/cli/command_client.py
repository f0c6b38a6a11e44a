"""The client with which the commands talk to a running Longhand."""

import os
from dataclasses import dataclass

from jobs.settings import PREFIX, Settings, load_settings
from longhand.client.client import Client
from longhand.client.connection import address_of
from longhand.terminal.output import print_line
from longhand.words.catalogue import translated


def use_server(url: str | None, api_key: str | None) -> None:
    """Let this process use another server or key than its environment names; the settings check both as ever."""
    for name, value in (("URL", url), ("API_KEY", api_key)):
        if value is not None:
            os.environ[PREFIX + name] = value


def server_url(settings: Settings) -> str:
    """The Longhand to talk to: that of --server or LONGHAND_URL, of `longhand up` in this folder, or the default."""
    return address_of(settings.url if "url" in settings.model_fields_set else None)


@dataclass(slots=True)
class _Asked:
    longhand: bool = False


_asked = _Asked()


def has_asked() -> bool:
    """Whether the command has asked a Longhand, so that what it shows was made elsewhere."""
    return _asked.longhand


def open_client() -> Client:
    """A client for the Longhand that the settings name."""
    _asked.longhand = True
    settings = load_settings()
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    # Not `typer.echo`: that writes past a live view, which then no longer knows where its lines are.
    return Client(server_url(settings), api_key=api_key, on_retry=lambda line: print_line(translated(line), err=True))

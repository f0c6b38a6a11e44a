"""The client with which the commands talk to a running Longhand."""

import os

from jobs.settings import PREFIX, load_settings
from longhand.client.client import Client
from longhand.terminal.output import print_line
from longhand.words.catalogue import translated


def use_server(url: str | None, api_key: str | None) -> None:
    """Let this process use another server or key than its environment names; the settings check both as ever."""
    for name, value in (("URL", url), ("API_KEY", api_key)):
        if value is not None:
            os.environ[PREFIX + name] = value


def open_client() -> Client:
    """A client for the Longhand that the settings name."""
    settings = load_settings()
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    # Not `typer.echo`: that writes past a live view, which then no longer knows where its lines are.
    return Client(settings.url, api_key=api_key, on_retry=lambda line: print_line(translated(line), err=True))

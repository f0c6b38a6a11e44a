"""The client with which the commands talk to a running Longhand."""

from jobs.settings import load_settings
from longhand.client.client import Client
from longhand.terminal.output import say


def open_client() -> Client:
    """A client for the Longhand that the settings name."""
    settings = load_settings()
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    # Not `typer.echo`: that writes past a live view, which then no longer knows where its lines are.
    return Client(settings.url, api_key=api_key, on_retry=lambda line: say(line, err=True))

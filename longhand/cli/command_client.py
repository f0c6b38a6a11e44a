"""The client with which the commands talk to a running Longhand."""

import sys

from jobs.settings import load_settings
from longhand.client.client import Client


def open_client() -> Client:
    """A client for the Longhand that the settings name."""
    settings = load_settings()
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    # Not `typer.echo`: it writes past a live view, which then no longer knows where its lines are.
    return Client(settings.url, api_key=api_key, on_retry=lambda line: print(line, file=sys.stderr))

"""Which version of Longhand this is."""

from importlib.metadata import version


def read_version() -> str:
    """As `longhand --version` says it."""
    return version("longhand-server")

"""Which tests may carry the mark `races`, and which get it from their folder."""

from collections.abc import Iterable

import pytest

MAY_RACE = ("api", "client", "openai_sdk", "page", "stack", "suite", "upstreams", "worker", "chaos")
"""The folders with tests that start real processes. Tests of the store and of the parsers are exact at any speed."""


def mark_races(items: Iterable[pytest.Item]) -> None:
    """Mark the chaos suite and whatever needs a browser. Raises `pytest.UsageError` where the mark must not be."""
    for item in items:
        folder = item.nodeid.removeprefix("tests/").partition("/")[0]
        if folder == "chaos" or "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.races)
        if item.get_closest_marker("races") and (folder not in MAY_RACE or watches(item.nodeid)):
            raise pytest.UsageError(f"{item.nodeid} must pass at any speed: it cannot be marked `races`")


def watches(nodeid: str) -> bool:
    """Whether it is one of the API's or the client's tests that a watcher gets every byte once."""
    return nodeid.startswith(("tests/api/", "tests/client/")) and "watch" in nodeid.partition("::")[0]

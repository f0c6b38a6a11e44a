"""Typer's own words, which a command in Chinese changes for the whole process."""

import pytest
import rich.text
from typer import rich_utils


def keep_typers_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let them be after the test as they are now."""
    for name in [name for name in vars(rich_utils) if name.isupper() or name in ("Table", "Columns")]:
        monkeypatch.setattr(rich_utils, name, getattr(rich_utils, name))
    if hasattr(rich.text, "divide_line"):
        monkeypatch.setattr(rich.text, "divide_line", rich.text.divide_line)

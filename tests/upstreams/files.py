"""Upstreams files for tests."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from jobs.settings import Settings
from jobs.upstreams.read import Reading, read_upstreams

GOOD = """\
[[upstream]]
name = "one"
url = "https://one.example/v1"
"""


def settings_of(**given: object) -> Settings:
    """Settings without anything of this shell's."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper().startswith(("LONGHAND_", "OPENAI_")):
                patch.delenv(name)
        return Settings(**given)  # type: ignore[arg-type]  # as a test gives them


def read(text: str | bytes, folder: Path = Path("/nowhere"), environ: Mapping[str, str] | None = None) -> Reading:
    """What reading this text gives, with these environment variables and no proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            patch.delenv(name, raising=False)
        for name, value in (environ or {}).items():
            patch.setenv(name, value)
        return read_upstreams(text.encode() if isinstance(text, str) else text, folder, settings_of())


def mistakes_of(
    text: str | bytes, folder: Path = Path("/nowhere"), environ: Mapping[str, str] | None = None
) -> list[str]:
    """The mistakes in this text, as they are shown."""
    return [str(mistake) for mistake in read(text, folder, environ).mistakes]

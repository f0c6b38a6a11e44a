"""Settings read where nothing else is set, and the lines that somebody with a wrong one is shown."""

import os

import pytest

from jobs.settings import Settings, SettingsError, load_settings

KEY = "sk-canary-4711"
PASSWORD = "pass-canary-4711"  # noqa: S105  # it is looked for in what must not have it


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith(("LONGHAND_", "OPENAI_")):
            monkeypatch.delenv(name)


def load(environ: dict[str, str]) -> Settings:
    """The settings where this is set and nothing else."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return load_settings()


def key_of(settings: Settings) -> str | None:
    """The key that the upstream would be sent."""
    return settings.upstream_api_key.get_secret_value() if settings.upstream_api_key else None


def problems(environ: dict[str, str]) -> list[str]:
    """The lines that somebody who set this is shown."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return str(caught.value).split("\n")

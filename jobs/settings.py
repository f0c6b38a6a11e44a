"""Settings: read once from the environment, frozen, passed on as one object.

Every name is `LONGHAND_` and the field's name in capitals. A wrong or unknown name is refused here with one line for
the person who set it, before anything has started.
"""

import difflib
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "LONGHAND_"


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line per setting, ready to print."""


class Settings(BaseSettings):
    """All that can be set. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True, extra="ignore")

    home: Path = Path(".longhand")
    """Where the embedded database, the embedded Valkey and the logs live."""
    database_url: str | None = Field(default=None, repr=False)  # it may hold a password
    """SQLAlchemy URL; none: `longhand.db`, a SQLite file in the home."""
    redis_url: str | None = Field(default=None, repr=False)
    """Redis or Valkey URL; none: the embedded Valkey that `longhand up` starts."""
    url: str = "http://127.0.0.1:8440"
    """Where the commands that talk to a running Longhand (`submit`, `watch`, ...) find it."""

    api_key: SecretStr | None = None
    """The key that these commands send, `lh_...`; none: a Longhand that has no key serves its own machine."""

    upstream_url: str | None = Field(
        default=None, validation_alias=AliasChoices("LONGHAND_UPSTREAM_URL", "OPENAI_BASE_URL"), repr=True
    )
    """Base URL of the OpenAI-compatible endpoint, with its `/v1`."""
    upstream_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("LONGHAND_UPSTREAM_API_KEY", "OPENAI_API_KEY")
    )
    upstream_usage: bool = True
    """Ask for `stream_options.include_usage`; false for an upstream that refuses it."""
    upstream_prefix: Literal["none", "assistant", "prefix", "continue_final_message"] = "none"
    """The form in which the upstream takes a text to go on with, for jobs with `on_interrupt: continue`."""

    streams: int = Field(default=100, ge=1, le=2000)
    """How many jobs one worker process runs at once."""
    first_delta_seconds: float = Field(default=120, gt=0)
    between_deltas_seconds: float = Field(default=60, gt=0)
    total_seconds: float = Field(default=3600, gt=0)

    lease_seconds: float = Field(default=15, gt=0)
    """How long a worker may run a job without renewing; a job whose lease has run out is rescued."""
    heartbeat_seconds: float = Field(default=5, gt=0)
    """How often a worker process renews its leases and checkpoints the text so far."""
    grace_seconds: float = Field(default=10, gt=0)
    """How long a worker process may take to end after SIGTERM."""
    hint_seconds: float = Field(default=30, gt=0)
    """A hint not claimed for this long is taken for lost, and the job is hinted again."""
    tail_seconds: int = Field(default=3600, ge=60)
    """How long a tail stays in Redis after the last write."""
    retry_base_seconds: float = Field(default=1, gt=0)
    """Backoff before the second try: up to this, then doubled each time (full jitter)."""
    retry_cap_seconds: float = Field(default=60, gt=0)

    idempotency_seconds: float = Field(default=7 * 24 * 3600, gt=0)
    """How long an `Idempotency-Key` is remembered at least."""

    tokenizers: Path | None = None
    """Folder with `<model>.json` or `<model>/tokenizer.json` for models that are not OpenAI's."""

    files: Path | None = None
    """Where uploaded files rest; none: `files` in the home. All API processes must see the same folder."""
    max_file_bytes: int = Field(default=512_000_000, ge=1)
    """The largest file that may be uploaded."""
    max_line_bytes: int = Field(default=10_000_000, ge=1)
    """The most that one job may have: a line of a batch file, or the body of a POST."""

    max_body_bytes: int = Field(default=64_000_000, ge=1)
    """The largest body of a batch whose requests stand in it; a larger batch comes as a file."""
    max_batch_jobs: int = Field(default=50_000, ge=1)
    max_watchers_per_key: int = Field(default=2000, ge=1)
    """How many may watch at once with one key (without keys: in all), in each API process."""
    max_text_bytes: int = Field(default=16 * 1024 * 1024, ge=1)
    """The longest text a job may write; a longer one fails the job."""

    @field_validator("upstream_url", "url")
    @classmethod
    def _is_http(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        if value is not None and urlsplit(value).username is not None:
            raise ValueError("must hold no user or password; the key belongs in LONGHAND_UPSTREAM_API_KEY")
        return value.rstrip("/") if value else value

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://")):
            raise ValueError("must start with redis:// or rediss://")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_known_database(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if value.startswith("postgres://"):
            value = "postgresql://" + value.removeprefix("postgres://")
        if value.startswith("postgresql://"):
            value = "postgresql+psycopg://" + value.removeprefix("postgresql://")
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment and what a test passes in; no file is read behind the reader's back."""
        return init_settings, env_settings

    @property
    def database(self) -> str:
        """The database URL, the embedded default filled in."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'longhand.db'}"

    @property
    def files_folder(self) -> Path:
        """The folder of the uploaded files, the default filled in."""
        return (self.files or self.home / "files").absolute()

    def require_redis_url(self) -> str:
        """The Redis URL of a process that cannot go without; `SettingsError` when there is none."""
        if self.redis_url is None:
            raise SettingsError(
                "LONGHAND_REDIS_URL is not set: give the URL of a Redis or Valkey server,"
                " or run `longhand up`, which starts one"
            )
        return self.redis_url

    def require_upstream_url(self) -> str:
        """The upstream's base URL; `SettingsError` when there is none."""
        if self.upstream_url is None:
            raise SettingsError(
                "LONGHAND_UPSTREAM_URL is not set: give the base URL of an OpenAI-compatible endpoint,"
                " such as https://api.openai.com/v1 (or try one out with `longhand simulate`)"
            )
        return self.upstream_url


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises `SettingsError` with one line for each wrong value and for each unknown `LONGHAND_` name: a misspelt name
    that is silently ignored costs an afternoon.
    """
    known = {name.upper() for name in Settings.model_fields}
    problems = []
    for name in sorted(os.environ):
        own = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and own not in known:
            near = difflib.get_close_matches(own, known, n=1)  # the prefix, which all have, would make all of them near
            problems.append(f"{name} is not a setting" + (f"; did you mean {PREFIX}{near[0]}?" if near else ""))
    try:
        settings = Settings()
    except ValidationError as error:
        for item in error.errors():
            name = str(item["loc"][0])
            name = name if name.isupper() else PREFIX + name.upper()
            if name == "LONGHAND_UPSTREAM_URL" and not os.environ.get(name):
                name = "OPENAI_BASE_URL"  # the one that was set
            # A key is never shown, nor a URL that may hold a password.
            secret = "KEY" in name or "@" in str(item["input"])
            shown = "" if secret else f" (it is {item['input']!r})"
            problems.append(f"{name}: {item['msg'].removeprefix('Value error, ')}{shown}")
    if problems:
        raise SettingsError("\n".join(problems))
    return settings

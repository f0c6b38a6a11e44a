"""Settings: read once from the environment, frozen, passed on as one object.

Every name is `LONGHAND_` and the field's name in capitals. A wrong or unknown name is refused here with one line for
the person who set it, before anything has started.
"""

import difflib
import os
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from jobs.setting_types import (
    TEN_YEARS,
    DatabaseUrl,
    HttpUrl,
    JsonObject,
    Networks,
    Origins,
    PrefixForm,
    RedisUrl,
    Seconds,
    UpstreamKey,
)
from jobs.upstream_address import is_openai, own_address_mistake

PREFIX = "LONGHAND_"
UPSTREAM_URL = "LONGHAND_UPSTREAM_URL"
UPSTREAM_API_KEY = "LONGHAND_UPSTREAM_API_KEY"


class SettingsError(Exception):
    """A setting is missing or wrong; the message is one line per setting, ready to print."""


class Settings(BaseSettings):
    """All that can be set. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True, extra="ignore")

    home: Path = Path(".longhand")
    """Where the embedded database, the embedded Valkey and the logs live."""
    database_url: DatabaseUrl | None = Field(default=None, repr=False)  # it may hold a password
    """SQLAlchemy URL; none: `longhand.db`, a SQLite file in the home."""
    redis_url: RedisUrl | None = Field(default=None, repr=False)  # it may hold a password
    """Redis or Valkey URL; none: the embedded Valkey that `longhand up` starts."""
    url: HttpUrl = "http://127.0.0.1:8440"
    """Where the commands that talk to a running Longhand (`submit`, `watch`, ...) find it."""
    api_key: SecretStr | None = None
    """The key that these commands send, `lh_...`; none: a Longhand that has no key serves its own machine."""

    lang: Literal["en", "zh"] | None = None
    """The language of the command; none: that of LC_ALL, LC_MESSAGES or LANG. The client's room `words` reads it."""

    upstream_url: HttpUrl | None = Field(default=None, validation_alias=UPSTREAM_URL, repr=False)  # it may hold a key
    """Base URL of the OpenAI-compatible endpoint, with its `/v1`; none: `OPENAI_BASE_URL`."""
    upstream_api_key: UpstreamKey = Field(default=None, validation_alias=UPSTREAM_API_KEY)
    """The endpoint's key; none: `OPENAI_API_KEY`, if the endpoint is that of `OPENAI_BASE_URL` or OpenAI's own."""
    upstream_usage: bool = True
    """Ask for `stream_options.include_usage`; false for an upstream that refuses it."""
    upstream_prefix: PrefixForm = "none"
    """How the upstream takes a text that it is to continue, for jobs with `on_interrupt: continue`; none: it cannot."""
    upstream_headers: JsonObject[SecretStr] = Field(default_factory=dict)
    """More headers for the upstream, as a JSON object; a value may be `env:NAME` or `file:PATH`."""
    upstream_parameters: JsonObject[str | bool] = Field(default_factory=dict)
    """Request parameters that the upstream calls otherwise (a name) or refuses (false), as a JSON object."""
    upstream_think_tags: bool = False
    """Whether a `<think>` part at the beginning of a text is reasoning and no part of the article."""
    upstreams: Path | None = None
    """TOML file of all upstreams (docs/upstreams.md); with it, nothing named `LONGHAND_UPSTREAM_...` is used."""

    streams: int = Field(default=100, ge=1, le=2000)
    """How many jobs one worker process runs at once."""
    first_delta_seconds: Seconds = 600
    """How long the upstream may take to write its first delta; waiting behind others that it writes does not count."""
    between_deltas_seconds: Seconds = 180
    """How long the upstream may pause between two deltas; comments that keep the connection alive do not count."""
    total_seconds: Seconds = 3600
    """How long one attempt may take in all; a longer one fails the job."""
    loop_guard: bool = True
    """Whether an attempt is cut whose model repeats itself without end."""

    lease_seconds: Seconds = 15
    """How long a worker may run a job without renewing; a job whose lease has run out is rescued."""
    heartbeat_seconds: Seconds = 5
    """How often a worker process renews its leases and checkpoints the text so far; the lease must outlast two."""
    grace_seconds: Seconds = 10
    """How long a worker process may take to end after SIGTERM."""
    hint_seconds: Seconds = 3
    """A hint that nobody has claimed for this long is lost: its place in the upstream's pace is free again."""
    tail_seconds: int = Field(default=3600, ge=60, le=TEN_YEARS)
    """How many seconds a tail stays in Redis after the last write; that of an ended attempt stays at most a minute."""
    retry_base_seconds: Seconds = 1
    """Backoff before the second try: up to this, then doubled each time (full jitter)."""
    retry_cap_seconds: Seconds = 60
    """The longest backoff, unless the upstream asks for more."""

    idempotency_seconds: Seconds = 7 * 24 * 3600
    """How long an `Idempotency-Key` is remembered at least."""

    log_format: Literal["text", "json"] = "text"
    """How the services log: a line of words for each event, or a JSON object."""
    worker_metrics_port: int = Field(default=0, ge=0, le=65535)
    """Where a worker serves `/metrics` for Prometheus; 0: nowhere. Under `longhand up` each further worker adds 1."""
    worker_metrics_host: str = "127.0.0.1"
    """The address that it listens on; `0.0.0.0` for all, without any key."""
    celery_events: bool = False
    """Send Celery's heartbeats, every 2 s for each worker, so that Flower shows the workers."""
    tokenizers: Path | None = None
    """Folder with `<model>.json` or `<model>/tokenizer.json` for models that are not OpenAI's."""

    files: Path | None = None
    """Where uploaded files are stored; none: `files` in the home. All API processes must see the same folder."""
    max_file_bytes: int = Field(default=512_000_000, ge=1)
    """The largest file that may be uploaded."""
    max_line_bytes: int = Field(default=10_000_000, ge=1)
    """The most bytes that one job may have: a line of a batch file, or the body of a POST."""

    cors_origins: Origins = ()
    """The pages of which origins may ask, with commas between, such as `https://app.example`; `*`: all, with a key."""
    webhook_allow: Networks = ()
    """Networks of your own that webhooks may go to, with commas between, such as `10.0.0.0/8`; the internet is free."""

    max_body_bytes: int = Field(default=64_000_000, ge=1)
    """The largest body, in bytes, of a batch whose requests stand in it; a larger batch comes as a file."""
    max_batch_jobs: int = Field(default=50_000, ge=1)
    """How many jobs a batch may have."""
    max_watchers_per_key: int = Field(default=2000, ge=1)
    """How many may watch at once with one key (without keys: in all), in each API process."""
    max_text_bytes: int = Field(default=16 * 1024 * 1024, ge=1)
    """The longest text a job may write, in bytes; a longer one fails the job."""

    @model_validator(mode="before")
    @classmethod
    def _take_openai(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Use what is set for OpenAI's SDK where nothing else is, but send its key to no other endpoint."""
        url, key = os.environ.get("OPENAI_BASE_URL", ""), os.environ.get("OPENAI_API_KEY", "")
        chosen = str(given.get(UPSTREAM_URL) or url)
        own_key = given.get(UPSTREAM_API_KEY)
        if not own_key and (chosen.rstrip("/") == url.rstrip("/") or is_openai(chosen)):
            own_key = key
        return {**given, UPSTREAM_URL: chosen or None, UPSTREAM_API_KEY: own_key or None}

    @model_validator(mode="after")
    def _outlasts_two_heartbeats(self) -> Self:
        least = 2 * self.heartbeat_seconds + 1
        if self.lease_seconds < least:
            raise ValueError(
                f"LONGHAND_LEASE_SECONDS: must be at least {least:g}, which is twice LONGHAND_HEARTBEAT_SECONDS and one"
                f" second more (it is {self.lease_seconds:g}); a shorter lease runs out while its worker is well"
            )
        return self

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

    def require_upstream_url(self, port: int = 0) -> str:
        """The base URL of the one upstream; `SettingsError` when there is none, or as `check_upstream`."""
        self.check_upstream(port)
        if self.upstream_url is None:
            raise SettingsError(
                "LONGHAND_UPSTREAM_URL is not set: give the base URL of an OpenAI-compatible endpoint,"
                " such as https://api.openai.com/v1 (or try one out with `longhand simulate`)"
            )
        return self.upstream_url

    def check_upstream(self, port: int = 0) -> None:
        """Refuse Longhand as its own upstream, and a key of its own: OPENAI_BASE_URL may be set for other programs.
        `port` is where this Longhand answers; 0: not known.
        """
        answers_at = [self.url, *([f"http://localhost:{port}"] if port else [])]
        key = self.upstream_api_key.get_secret_value() if self.upstream_api_key else ""
        if self.upstream_url and (mistake := own_address_mistake(self.upstream_url, key, answers_at)):
            raise SettingsError(mistake)


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises `SettingsError` with a line for each wrong value and each unknown `LONGHAND_` name, which may be misspelt.
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
        problems += map(_describe, error.errors())
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _describe(wrong: ErrorDetails) -> str:
    said = wrong["msg"].removeprefix("Value error, ")
    if not wrong["loc"]:  # of several settings, which the sentence names
        return said
    name = str(wrong["loc"][0])
    name = name if name.isupper() else PREFIX + name.upper()
    if name == UPSTREAM_URL and not os.environ.get(name):
        name = "OPENAI_BASE_URL"  # the one that was set
    # A key is never shown, nor a URL that may hold a password or, in its query, a key.
    shown = str(wrong["input"])
    is_secret = "KEY" in name or "HEADERS" in name or (name.endswith("_URL") and ("@" in shown or "?" in shown))
    return f"{name}: {said}" + ("" if is_secret else f" (it is {shown!r})")

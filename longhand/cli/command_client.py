"""The client with which the commands talk to a running Longhand."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from jobs.settings import PREFIX, Settings, load_settings
from longhand.client.calls import Call
from longhand.client.client import Client
from longhand.client.connection import address_of, running_url, url_file
from longhand.terminal.output import print_line
from longhand.words.catalogue import t, translated

START_SECONDS = 30.0
"""How long a command waits for a `longhand up` of this folder that is starting."""
_LOOK_SECONDS = 0.1


def use_server(url: str | None, api_key: str | None) -> None:
    """Let this process use another server or key than its environment names; the settings check both as ever."""
    for name, value in (("URL", url), ("API_KEY", api_key)):
        if value is not None:
            os.environ[PREFIX + name] = value


def server_url(settings: Settings) -> str:
    """The Longhand to talk to: that of --server or LONGHAND_URL, of `longhand up` in this folder, or the default."""
    return address_of(settings.url if "url" in settings.model_fields_set else None)


@dataclass(slots=True)
class _Asked:
    longhand: bool = False


_asked = _Asked()


def has_asked() -> bool:
    """Whether the command has asked a Longhand, so that what it shows was made elsewhere."""
    return _asked.longhand


class _Connection:
    """Tells of lost connections: each reason once, and when there is one again."""

    def __init__(self) -> None:
        self._last = ""

    def lost(self, line: str) -> None:
        # Not `typer.echo`: that writes past a live view, which then no longer knows where its lines are.
        if line != self._last:
            print_line(translated(line), err=True)
        self._last = line

    def answered(self) -> None:
        if self._last:
            print_line(t("command.connected_again"), err=True)
        self._last = ""


class _TellingClient(Client):
    """A client that says at the terminal how its connection is doing. One that `finds` its Longhand looks for it again
    at each further try: the `longhand up` of this folder may only be starting, or start again at another port.
    """

    def __init__(self, url: str, api_key: str | None, *, finds: bool) -> None:
        self._connection = _Connection()
        self._finds = finds
        self._is_here = finds and running_url() is not None
        self._has_told = False
        super().__init__(url, api_key=api_key, on_retry=self._lost)

    def _lost(self, line: str) -> None:
        self._connection.lost(line)
        if self._finds:
            _wait_for_start()
            # Where none runs here, the address stays: another Longhand at the default one knows nothing of this work.
            self.url = running_url() or self.url
            self._is_here = self._is_here or running_url() is not None
            self._http.base_url = self.url

    def _tell_where(self) -> None:
        """Before another Longhand is asked than the one that has run in this folder."""
        self._has_told = True
        home = url_file().parent
        if (home / "lock").exists():
            print_line(t("command.not_here", home=home, url=self.url), err=True)

    @contextmanager
    def _stream(self, call: Call[Any], timeout: Any) -> Iterator[httpx.Response]:
        if self._finds and not self._is_here and not self._has_told:
            self._tell_where()
        with super()._stream(call, timeout) as response:
            self._connection.answered()
            # What was found elsewhere is not known to a `longhand up` that begins to run here.
            self._finds = self._finds and self._is_here
            yield response


def open_client() -> Client:
    """A client for the Longhand that the settings name; one that `longhand up` is starting here is waited for."""
    _asked.longhand = True
    settings = load_settings()
    finds = "url" not in settings.model_fields_set
    if finds:
        _wait_for_start()
    api_key = settings.api_key.get_secret_value() if settings.api_key else None
    return _TellingClient(server_url(settings), api_key, finds=finds)


def _wait_for_start() -> None:
    from longhand.stack.home import is_held  # noqa: PLC0415  # not on every system

    home = url_file().parent

    def is_starting() -> bool:
        return running_url() is None and is_held(home)

    if not is_starting():
        return
    print_line(t("command.starting", home=home), err=True)
    deadline = time.monotonic() + START_SECONDS
    while is_starting() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)

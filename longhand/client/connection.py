"""How both clients connect, and which errors can happen on the way.

LONGHAND_URL, LONGHAND_HOME and LONGHAND_API_KEY are read from the environment here, past `jobs.settings`: a program
that only uses the client should not load pydantic, nor fail because some setting of the server is wrong.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from longhand.client.answers import ENCODINGS, LONGEST_WAIT_SECONDS, WRONG_FORM, typed
from longhand.client.errors import InputError, NoAnswerError, RefusedError, refusal_of

DEFAULT_PORT = 8440
DEFAULT_URL = f"http://127.0.0.1:{DEFAULT_PORT}"
"""Where `longhand up` serves by default. `Settings.url` has the same default; a test holds the two alike."""
DEFAULT_HOME = ".longhand"
"""The same for the home."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def address_of(url: str | None) -> str:
    """The URL to talk to: the one given, else that of LONGHAND_URL, of `longhand up` in this folder, or the default."""
    found = url or os.environ.get("LONGHAND_URL") or running_url() or DEFAULT_URL
    return found.rstrip("/").removesuffix("/v1")


def url_file(home: Path | None = None) -> Path:
    """Where `longhand up` says, while it runs, at which URL it answers."""
    return (home or Path(os.environ.get("LONGHAND_HOME") or DEFAULT_HOME)) / "url"


def running_url() -> str | None:
    """The URL of the `longhand up` that this user runs in LONGHAND_HOME; None if none runs there.

    The file names the process: it stays behind when that is killed. One of another user is not believed, since the
    key is sent to where it says.
    """
    file = url_file()
    try:
        url, pid = file.read_text().split()
        if file.stat().st_uid != os.getuid() or int(pid) < 1:
            return None
        os.kill(int(pid), 0)
    except (OSError, ValueError, OverflowError):
        return None
    return url


def key_headers(api_key: str | None) -> dict[str, str]:
    """The header that carries the key: the one given, else that of LONGHAND_API_KEY; no header without a key.

    Raises `InputError` for a key that no header can carry. The message does not show the key.
    """
    key = (api_key or os.environ.get("LONGHAND_API_KEY") or "").strip()
    if not key:
        return {}
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InputError("the API key (LONGHAND_API_KEY) has a character that no key has: it is one word, lh_...")
    return {"Authorization": f"Bearer {key}"}


def http_options(url: str, api_key: str | None) -> dict[str, Any]:
    """The options with which both clients make their connections."""
    return {
        "base_url": url,
        "headers": {"accept-encoding": ", ".join(ENCODINGS), **key_headers(api_key)},
        "timeout": httpx.Timeout(120, connect=5),
        # Every watch holds a connection; a bound here would be a hang.
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=20),
        # A proxy of the environment cannot reach this machine's own loopback.
        "trust_env": urlsplit(url).hostname not in _LOOPBACK,
    }


@contextmanager
def answering(url: str, http: httpx.Client | httpx.AsyncClient) -> Iterator[None]:
    """Turn every error of the transport into `NoAnswerError`."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise NoAnswerError(
            f"nothing answers at {url}: start it with `longhand up`, or set LONGHAND_URL to where it runs"
        ) from None
    except httpx.RequestError as error:
        why = f"{url} did not answer to the end: {error or type(error).__name__}"
        raise NoAnswerError(why, was_there=True) from None
    except RuntimeError:
        # Somebody closed this client while another thread or task was using it.
        if http.is_closed:
            raise NoAnswerError("the client was closed") from None
        raise


def refusal(response: httpx.Response, body: bytes) -> RefusedError:
    """The error that an answer reports."""
    try:
        error = json.loads(body)["error"]
        message = typed(error["message"], str)
        code, param = typed(error.get("code"), str, None), typed(error.get("param"), str, None)
        retryable = typed(error.get("retryable"), dict, None)
        retryable = retryable and {name: typed(count, int) for name, count in retryable.items()}
    except WRONG_FORM:
        kind = response.headers.get("content-type", "no content type")
        message = f"{response.url} answered {response.status_code} ({kind}), which is not an answer of Longhand"
        code = param = retryable = None
    if response.status_code == 401:
        message = f"{message} (here: set LONGHAND_API_KEY, or Client(api_key=...))"
    after = response.headers.get("retry-after", "")
    return refusal_of(response.status_code)(
        message,
        status=response.status_code,
        code=code,
        param=param,
        retry_after_seconds=min(float(after), LONGEST_WAIT_SECONDS) if after.isascii() and after.isdigit() else None,
        retryable=retryable,
    )

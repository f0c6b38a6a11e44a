"""What a value of the upstreams file must be like: addresses, names, patterns, headers, keys. Each function gives the
value back as it is used, or raises ValueError with what is wrong, to be read after the value's name.
"""

import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from jobs.settings import PREFIX, UPSTREAM_API_KEY
from jobs.upstream_address import check_http_url, clean_key
from jobs.upstreams.mistakes import SecretMissingError

ReadPath = Callable[[str], Path]
"""Makes a path of one in the file, which is relative to the file's own folder, and remembers it as read."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SET_BY_LONGHAND = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "expect", "host",
    "idempotency-key", "keep-alive", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_LONGEST_SECRET = 64 * 1024


def name_of(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(
            "must be 1 to 64 of letters, digits, '.', '_' and '-', beginning with a letter or a digit"
            f" (it is {text[:80]!r})"
        )
    return text


def project_of(text: str) -> str:
    """The name of a project, as `longhand keys create` takes it."""
    if not _PROJECT.fullmatch(text):
        raise ValueError(
            "must be 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit"
            f" (it is {text[:80]!r}), as for `longhand keys create`"
        )
    return text


def currency_of(text: str) -> str:
    if not _CURRENCY.fullmatch(text):
        raise ValueError(f"must be the three capital letters of a currency, such as USD (it is {text[:80]!r})")
    return text


def url_of(text: str) -> str:
    """A base URL. It is not quoted when it is refused: it may hold a password or a key."""
    if text != text.strip() or not text.isprintable() or " " in text:
        raise ValueError("must hold no blanks")
    return check_http_url(text, "the key belongs in api_key_env or api_key_file")


def check_pattern(text: str) -> None:
    """A pattern for models, which would never match if a bracket is left open."""
    rest = text
    while "[" in rest:
        rest = rest[rest.index("[") + 1 :]
        # A `]` that comes first, also after `!`, is one of the characters.
        end = rest.removeprefix("!").find("]", 1)
        if end < 0:
            raise ValueError(f"has a '[' that is not closed: {text[:80]!r}; write [[] for the character itself")
        rest = rest.removeprefix("!")[end + 1 :]


def header_name_of(text: str) -> str:
    """The name of a header that may be set."""
    if not _HEADER.fullmatch(text):
        raise ValueError("is no name of a header")
    if text.lower() in _SET_BY_LONGHAND:
        raise ValueError("is set by Longhand itself and cannot be changed")
    return text


def header_value_of(text: str, read_path: ReadPath) -> SecretStr:
    """A header's value. Taken as a secret, whatever it is."""
    value = resolve(text, read_path)
    if not value.isascii() or not value.isprintable():
        raise ValueError("must be of printable ASCII characters, on one line")
    return SecretStr(value)


def resolve(text: str, read_path: ReadPath) -> str:
    """A value, or what stands in its place: `env:NAME` or `file:PATH`."""
    kind, colon, rest = text.partition(":")
    if colon and kind == "env":
        return from_environment(rest)
    if colon and kind == "file":
        return from_file(rest, read_path)
    return text.strip()


def key_of(value: str) -> SecretStr:
    """A key as a header can carry it."""
    key = clean_key(value)
    if key.startswith("lh_"):
        raise ValueError("holds a key that begins with lh_, as Longhand's own keys do: give the key of the upstream")
    return SecretStr(key)


def from_environment(name: str) -> str:
    """The value of an environment variable."""
    if not _VARIABLE.fullmatch(name):
        # Not quoted: some write the key itself here.
        raise ValueError("must name an environment variable (letters, digits and '_'); never write the key itself here")
    if name.startswith(PREFIX) and name != UPSTREAM_API_KEY:
        raise ValueError(f"must not name a variable that begins with {PREFIX}: those are Longhand's own settings")
    value = os.environ.get(name, "").strip()
    if not value:
        raise SecretMissingError(f"names the environment variable {name}, which is not set here")
    return value


def from_file(path: str, read_path: ReadPath) -> str:
    """What a small file holds, without the blanks around it."""
    found = read_path(path)
    try:
        if found.exists() and not found.is_file():  # to open a pipe could take for ever
            raise ValueError(f"names {path[:200]}, which is not a file")
        with found.open("rb") as file:
            content = file.read(_LONGEST_SECRET + 1)
    except OSError as error:
        raise SecretMissingError(f"names the file {path[:200]}, which cannot be read here: {_reason(error)}") from None
    if len(content) > _LONGEST_SECRET:
        raise ValueError(
            f"names the file {path[:200]}, which is larger than {_LONGEST_SECRET} bytes: no key is so long"
        )
    try:
        value = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ValueError(f"names the file {path[:200]}, which is not text in UTF-8") from None
    if not value:
        raise SecretMissingError(f"names the file {path[:200]}, which is empty")
    return value


def certificates_of(text: str, read_path: ReadPath) -> Path:
    """A file of certificates that can be loaded."""
    path = read_path(text)
    try:
        ssl.create_default_context().load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError(f"names the file {text[:200]}, which holds no certificates in PEM form") from None
    except OSError as error:
        raise SecretMissingError(f"names the file {text[:200]}, which cannot be read here: {_reason(error)}") from None
    return path


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__

"""JSON in one line, also for readers that split lines as Python and httpx do."""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from api.http.slices import SLICE_CHARACTERS, in_slices
from jobs.strict_json import dump_json

# JSON Lines and server-sent events end a line at none of these, but `str.splitlines` does. Inside of JSON they can only
# stand in strings, so their escapes mean the same.
_SEPARATORS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))


_LONG = secrets.token_hex(16)
"""What stands for a long text while the rest is written. Nobody who submits a text can know it."""


def json_line(value: Any) -> bytes:
    """The value as a line of a JSON Lines file."""
    return one_line(dump_json(value, ascii_only=False).encode()) + b"\n"


def json_line_with(value: Mapping[str, Any], texts: Mapping[str, str]) -> Iterator[bytes]:
    """The line of an object that is not empty and of texts that stand at its end; long ones in pieces."""
    if all(len(text) <= SLICE_CHARACTERS for text in texts.values()):
        yield json_line({**value, **texts})
        return
    yield json_line(value).removesuffix(b"}\n")
    for name, text in texts.items():
        yield b"," + json_line(name).rstrip() + b':"'
        for some in in_slices(text):
            yield json_line(some)[1:].removesuffix(b'"\n')
        yield b'"'
    yield b"}\n"


def one_line(encoded: bytes) -> bytes:
    """JSON without line breaks, with what some readers take for one escaped."""
    if encoded.isascii():
        return encoded
    for separator, escape in _SEPARATORS:
        if separator in encoded:
            encoded = encoded.replace(separator, escape)
    return encoded


def ascii_json(value: Any) -> Iterator[bytes]:
    """The value as JSON in ASCII, in pieces: what is long is not written out at once."""
    long: list[str] = []

    def put_off(part: Any) -> Any:
        if isinstance(part, str) and len(part) > SLICE_CHARACTERS:
            long.append(part)
            return _LONG
        if isinstance(part, dict):
            return {name: put_off(each) for name, each in part.items()}
        return list(map(put_off, part)) if isinstance(part, list) else part

    before, *others = dump_json(put_off(value)).split(f'"{_LONG}"')
    yield from map(str.encode, in_slices(before))
    for text, after in zip(long, others, strict=True):
        yield b'"'
        for some in in_slices(text, SLICE_CHARACTERS // 4):  # a character may become twelve
            yield dump_json(some)[1:-1].encode()
        yield b'"'
        yield from map(str.encode, in_slices(after))

"""Text that every database and every UTF-8 encoder accepts.

JSON can carry what PostgreSQL and UTF-8 refuse: NUL, and halves of a surrogate pair (`\\ud83d`). An upstream that cuts
its text between UTF-16 units splits an emoji over two deltas, so the halves meet only here.
"""

import re

from jobs.strict_json import dump_json

REPLACEMENT = "\ufffd"

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def make_storable(text: str) -> str:
    """`text` with surrogate pairs joined, and each lone surrogate and each NUL replaced by U+FFFD."""
    if text.isascii():
        return text.replace("\x00", REPLACEMENT) if "\x00" in text else text
    if _UNSTORABLE.search(text) is None:
        return text
    return _UNSTORABLE.sub(REPLACEMENT, _PAIR.sub(_join, text))


def storable_json(value: object) -> str | None:
    """A value as JSON that every database accepts; None when it has no such form."""
    try:
        return make_storable(dump_json(value, ascii_only=False))
    except (ValueError, RecursionError, TypeError):
        return None


def _join(pair: re.Match[str]) -> str:
    return pair.group().encode("utf-16", "surrogatepass").decode("utf-16")


class TextCleaner:
    """Cleans one text that arrives in pieces: any splitting of the text gives the same cleaned text."""

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        """The cleaned text of `piece`. The first half of a surrogate pair is held back until the next piece."""
        if self._half:
            piece = self._half + piece
            self._half = ""
        if piece and "\ud800" <= piece[-1] <= "\udbff":
            self._half = piece[-1]
            piece = piece[:-1]
        return make_storable(piece)

    def close(self) -> str:
        """What is left at the end of the text: U+FFFD for a first half that met no second, else nothing."""
        half, self._half = self._half, ""
        return REPLACEMENT if half else ""

"""One table of the upstreams file, read key by key; every value of the wrong kind becomes a mistake."""

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from jobs.upstreams.lines import Place
from jobs.upstreams.mistakes import Mistakes, SecretMissingError

T = TypeVar("T")

MOST = 1e15
"""No number in the file means more than this."""

_KINDS: dict[type, str] = {str: "a text", bool: "true or false", int: "a number", float: "a number", list: "a list"}


class Table:
    """The table at a place. What cannot be used is noted, and its default given instead."""

    def __init__(self, table: Mapping[str, object], place: Place, mistakes: Mistakes) -> None:
        self._table = table
        self._place = place
        self._mistakes = mistakes

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Note every key that is none of these."""
        for key in self._table:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                meant = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
                self.note(f"{key[:80]!r} is not a key{meant}", key)

    def has(self, key: str) -> bool:
        return key in self._table

    def note(self, message: str, *below: str | int) -> None:
        """Something about this table, or about what is below it, is wrong."""
        self._mistakes.note((*self._place, *below), message)

    def note_error(self, what: str, error: ValueError, *below: str | int, otherwise: str = "") -> None:
        """What an error says of something below this table, and what can stand there `otherwise`."""
        is_secret = isinstance(error, SecretMissingError)
        self._mistakes.note((*self._place, *below), f"{what} {error}{otherwise}", about_secret=is_secret)

    def take(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """A text as `parse` gives it back; it raises ValueError with what is wrong."""
        text = self.text(key)
        if text is None:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.note_error(key, error, key)
            return default

    def text(self, key: str) -> str | None:
        """A text that is not empty."""
        value = self._table.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            self._refuse(key, value, "a text in quotes")
            return None
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._table.get(key, default)
        if not isinstance(value, bool):
            self._refuse(key, value, "true or false, without quotes")
            return default
        return value

    def whole(self, key: str, default: int | None, least: int, most: int = int(MOST)) -> int | None:
        """A whole number within these bounds."""
        value = self._table.get(key, default)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse(key, value, "a whole number, without quotes")
        elif not least <= value <= most:
            self.note(f"{key} must be from {least} to {most} (it is {_shorten(value)})", key)
        else:
            return value
        return default

    def number(
        self, key: str, default: float | None, *, least: float | None = None, most: float = MOST
    ) -> float | None:
        """A number within these bounds; without `least`, above 0."""
        value = self._table.get(key, default)
        if value is None:
            return None
        low = 0 if least is None else least
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self._refuse(key, value, "a number, without quotes")
        elif not low <= value <= most or (least is None and value == 0):
            bounds = f"above 0 and at most {most:g}" if least is None else f"from {least:g} to {most:g}"
            self.note(f"{key} must be {bounds} (it is {_shorten(value)})", key)
        else:
            return float(value)
        return default

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """A list of texts, at least one."""
        value = self._table.get(key)
        if value is None:
            return default
        if not isinstance(value, list) or not value:
            self._refuse(key, value, 'a list of texts, such as ["gpt-*"]')
            return default
        taken = []
        for number, item in enumerate(value):
            if isinstance(item, str) and item.strip():
                taken.append(item)
            else:
                self.note(f"{key} must hold texts in quotes (number {number + 1} is {_shown(item)})", key, number)
        return tuple(taken)

    def pairs(self, key: str, what: str) -> Mapping[str, object]:
        """A table of names and values."""
        value = self._table.get(key, {})
        if not isinstance(value, dict):
            self._refuse(key, value, f"a table, such as {what}")
            return {}
        return value

    def below(self, key: str, what: str) -> "Table":
        return Table(self.pairs(key, what), (*self._place, key), self._mistakes)

    def below_each(self, key: str, what: str) -> list["Table"]:
        """The tables of a list below this one, or the one table that stands in its place; none if it is not there."""
        value = self._table.get(key)
        if not isinstance(value, list):
            return [self.below(key, what)] if value is not None else []
        tables = []
        for number, item in enumerate(value):
            if isinstance(item, dict):
                tables.append(Table(item, (*self._place, key, number), self._mistakes))
            else:
                self.note(
                    f"{key} must hold tables, such as {what} (number {number + 1} is {_shown(item)})", key, number
                )
        return tables

    def _refuse(self, key: str, value: object, meant: str) -> None:
        self.note(f"{key} must be {meant} (it is {_shown(value)})", key)


def _shown(value: object) -> str:
    """What a value is, and of what cannot be a secret also its text."""
    if isinstance(value, (bool, int, float)):
        return str(value).lower() if isinstance(value, bool) else _shorten(value)
    if isinstance(value, str):
        return "a text" if value.strip() else "empty"
    if isinstance(value, list):
        return "a list" if value else "empty"
    return "a table" if isinstance(value, dict) else _KINDS.get(type(value), "a date or time")


def _shorten(number: float) -> str:
    try:
        text = str(number)
    except ValueError:  # of an int with more digits than Python prints
        return "too large"
    return text if len(text) <= 40 else f"{text[:37]}..."

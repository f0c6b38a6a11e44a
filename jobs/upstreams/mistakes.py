"""Mistakes in the upstreams file, each with its line."""

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.upstreams.lines import Place


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """What is wrong on a line (0: with the file), in one sentence that never shows a secret."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message

    def as_json(self) -> dict[str, int | str | None]:
        return {"line": self.line or None, "message": self.message}


class SecretMissingError(ValueError):
    """A key or certificate cannot be had in this process, though all that the file says may be right."""


class Mistakes:
    """Collects mistakes by the place of what is wrong.

    A process that needs no keys (`needs_keys` false) goes on without those that it cannot have: `about_secret`.
    """

    def __init__(self, lines: Mapping[Place, int], *, needs_keys: bool = True) -> None:
        self._lines = lines
        self._needs_keys = needs_keys
        self._found: set[Mistake] = set()

    def __len__(self) -> int:
        return len(self._found)

    def note(self, place: Place, message: str, *, about_secret: bool = False) -> None:
        """Something at this place is wrong."""
        if self._needs_keys or not about_secret:
            self._found.add(Mistake(self.line(place), message))

    def line(self, place: Place) -> int:
        """The line of a place, or of the nearest table around it."""
        while place and place not in self._lines:
            place = place[:-1]
        return self._lines.get(place, 1)

    def sorted(self) -> tuple[Mistake, ...]:
        """All that was noted, in the order of the file."""
        return tuple(sorted(self._found))

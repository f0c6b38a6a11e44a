"""What a mutant is: the product without one thing that it stands on."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """What is taken out, and the tests that must notice: those of this folder, or of another folder of `tests`.

    Each edit is a file, what stands there, and what instead.
    """

    name: str
    edits: Sequence[tuple[str, str, str]]
    tests: Sequence[str]

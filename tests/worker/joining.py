"""Joins an answer to the text that it was asked to go on with, as a worker does."""

from collections.abc import Iterable

from worker.seam import Seam


def cut_seam(before: str, *pieces: str) -> str:
    """What of an answer, which comes in these pieces, is new after a text."""
    new, _ = join(before, pieces)
    return new


def join(before: str, pieces: Iterable[str], *, is_early: bool = False) -> tuple[str, Seam]:
    """`is_early`: the answer was stopped, or ended at the token limit."""
    new: list[str] = []
    seam = Seam(before, new.append)
    for piece in pieces:
        seam.feed(piece)
    seam.close(is_early=is_early)
    return "".join(new), seam

"""A long text in slices. One call over 16 MB keeps the interpreter for up to 0.6 s, and all requests wait for it."""

from collections.abc import Iterator

SLICE_CHARACTERS = 65_536


def in_slices(text: str, characters: int = SLICE_CHARACTERS) -> Iterator[str]:
    """The text in pieces that are quickly encoded or escaped, each by itself."""
    for start in range(0, len(text), characters):
        yield text[start : start + characters]

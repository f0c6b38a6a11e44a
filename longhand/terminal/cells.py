"""What fits into a terminal, and what may be written to one."""

import re

from rich.cells import cell_len

# What a model writes must not move the cursor, change the title or the clipboard of a terminal, nor turn the direction
# of what stands beside it; and half a surrogate pair cannot be written at all.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text without the control characters that a terminal would obey."""
    return CONTROL.sub("", text)


def one_line(text: str) -> str:
    """The text as a name in a table or before a colon: a line break in it would begin a line that nobody wrote."""
    return plain(" ".join(text.split()))


def last_cells(text: str, room: int) -> str:
    """As much of the end of a text as fits into `room` cells of a terminal; a Chinese character takes two."""
    start, left = len(text), room
    while start > 0 and (left := left - cell_len(text[start - 1])) >= 0:
        start -= 1
    return text[start:]


def first_cells(text: str, room: int) -> str:
    """As much of the beginning of a text as fits, with an ellipsis if it was cut."""
    if cell_len(text) <= room:
        return text
    end, left = 0, room - 1
    while end < len(text) and (left := left - cell_len(text[end])) >= 0:
        end += 1
    return text[:end] + "…" if room > 0 else ""


def duration(seconds: float) -> str:
    """`75` as `1:15`."""
    whole = int(seconds + 0.5)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"

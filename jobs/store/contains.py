"""Whether a stored text contains another, whatever the case of either: what a search on SQLite asks of each text.

SQLite's own functions know only ASCII. And Python's `lower()` of one text of 16 MB keeps the interpreter's lock for
0.2 to 0.5 s in a single call; every request of everybody waited for it. So a text is lowered and looked through in
slices, and the lock is handed over after each.

Of a capital sigma `lower()` makes "ς" at the end of a word and "σ" elsewhere, so what it makes depends on what stands
around the slice. Both are taken for one letter here, so that the slices, each lowered by itself, are the lowered text.
"""

from time import sleep

_SLICE_BYTES = 32_768
"""Four bytes a letter take longest: 0.3 ms."""


def folded(text: str) -> str:
    """The text in lower case, with one small sigma. Of two texts one after the other it is that of each in turn."""
    return text.lower().replace("ς", "σ")


def contains(text: bytes, wanted: str) -> bool:
    """Whether the text, in UTF-8, contains what `folded` made."""
    overlap = len(wanted) - 1
    kept = ""
    start = 0
    while start < len(text):
        end = _end_of_slice(text, start)
        kept += folded(text[start:end].decode(errors="replace"))
        if wanted in kept:
            return True
        kept = kept[-overlap:] if overlap > 0 else ""
        start = end
        if start < len(text):
            sleep(0)  # hands the lock over at once: Python itself does so only to who has waited for 5 ms
    return not wanted


def _end_of_slice(text: bytes, start: int) -> int:
    """Where a slice ends that begins there: before a letter, and never within one."""
    end = start + _SLICE_BYTES
    while end < len(text) and end > start + _SLICE_BYTES - 4 and text[end] & 0xC0 == 0x80:
        end -= 1
    return end

"""Patterns that somebody submits, in RE2: no backtracking, time linear in the text, and bounded memory."""

from typing import Any

import re2

LONGEST_PATTERN = 1000
"""How many characters a pattern or a text to look for may have."""

LARGEST_PROGRAM = 500
"""How many instructions a pattern may become. Each costs some 6 ns a byte at worst, and `.{100}` becomes 800."""

_COMPILE_BYTES = 1 << 20
_SEARCH_BYTES = 8 << 20


def find_pattern_fault(pattern: str) -> str | None:
    """Why a pattern cannot be used; None for a good one."""
    try:
        program = re2.compile(pattern, _options(_COMPILE_BYTES)).programsize
    except re2.error as error:
        reason = error.args[0] if error.args else "no reason given"
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        return f"is no pattern of RE2: {said[:200]}"
    if program > LARGEST_PROGRAM:
        return (
            f"becomes {program} instructions, and {LARGEST_PROGRAM} are allowed: repeat less, or write several patterns"
        )
    return None


def find_pattern(pattern: str, text: bytes) -> str | None:
    """What a pattern matches first in a text in UTF-8; None when it matches nothing."""
    found = re2.compile(pattern, _options(_SEARCH_BYTES)).search(text)
    return None if found is None else bytes(found.group(0)).decode("utf-8", "replace")


def forget_patterns() -> None:
    """Free what the library keeps of each pattern that was used."""
    re2.purge()


def _options(memory: int) -> Any:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.never_capture = True
    return options

"""Patterns that somebody submits, in RE2: no backtracking, time linear in the text, and bounded memory."""

import re
from functools import lru_cache
from typing import Any

import re2

LONGEST_PATTERN = 1000
"""How many characters a pattern or a text to look for may have."""

LARGEST_PROGRAM = 500
"""How many instructions a pattern may become. Each costs some 6 ns a byte at worst, and `.{100}` becomes 800."""

MOST_UNICODE_CLASSES = 8
"""How many `\\p` and `\\P` a pattern may have. Nothing else takes long to compile: up to 0.5 ms each, a thousand
characters of anything else 1.4 ms; and nobody else has the interpreter meanwhile.
"""

_UNICODE_CLASS = re.compile(r"\\[pP]")

_COMPILE_BYTES = 64 << 10
"""More than `LARGEST_PROGRAM` takes: a larger one fails early."""

_SEARCH_BYTES = 8 << 20


@lru_cache(1024)  # every line of a file may have the same
def find_pattern_fault(pattern: str) -> str | None:
    """Why a pattern cannot be used; None for a good one."""
    if len(_UNICODE_CLASS.findall(pattern)) > MOST_UNICODE_CLASSES:
        return f"has more than {MOST_UNICODE_CLASSES} classes of Unicode (\\p and \\P): write several patterns"
    try:
        program = re2.compile(pattern, _options(_COMPILE_BYTES)).programsize
    except re2.error as error:
        reason = error.args[0] if error.args else "no reason given"
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        if said.startswith("pattern too large"):
            return _too_large("too many")
        return f"is no pattern of RE2: {said[:200]}"
    if program > LARGEST_PROGRAM:
        return _too_large(str(program))
    return None


def find_pattern(pattern: str, text: bytes) -> str | None:
    """What a pattern matches first in a text in UTF-8; None when it matches nothing."""
    found = re2.compile(pattern, _options(_SEARCH_BYTES)).search(text)
    return None if found is None else bytes(found.group(0)).decode("utf-8", "replace")


def forget_patterns() -> None:
    """Free what the library keeps of each pattern that was used."""
    re2.purge()


def _too_large(program: str) -> str:
    return f"becomes {program} instructions, and {LARGEST_PROGRAM} are allowed: repeat less, or write several patterns"


def _options(memory: int) -> Any:
    options = re2.Options()
    options.max_mem = memory
    options.log_errors = False
    options.never_capture = True
    return options

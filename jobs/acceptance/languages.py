"""The language of a text, by CLD2: offline, in milliseconds, and without anything to load."""

import re
from functools import cache

import pycld2

from jobs.acceptance.fences import read_fences

SHORTEST = 50
"""With fewer letters than this, a text whose language cannot be told passes."""

_NO_CHARACTERS = "".join(chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
_CONTROLS = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufdd0-\ufdef{_NO_CHARACTERS}]")
"""What CLD2 refuses a text for."""
# Where CLD2 has older or other codes than ISO 639-1.
_NEWER = {"iw": "he", "jw": "jv", "in": "id", "mo": "ro", "nb": "no"}


@cache
def known_languages() -> frozenset[str]:
    """The codes that can be asked for: of ISO 639-1, with `zh` for both scripts and `zh-Hant` for the traditional."""
    codes = dict(pycld2.LANGUAGES)
    found = {codes[name] for name in pycld2.DETECTED_LANGUAGES if name in codes}
    return frozenset(_NEWER.get(code, code) for code in found if len(code) == 2) | {"zh-Hant"}


def find_language(text: str) -> str | None:
    """The language that most of a text is in; None when it cannot be told. Fenced code is left out."""
    plain = _CONTROLS.sub(" ", "\n".join(read_fences(text.splitlines()).plain))
    _, _, found = pycld2.detect(plain, isPlainText=True)
    code: str = found[0][1]
    return None if code == "un" else _NEWER.get(code, code)


def is_in_language(wanted: str, found: str | None, text: str) -> bool:
    """Whether a text in which this was found may be in the language that is wanted."""
    if found is None:
        return sum(map(str.isalpha, text[: 20 * SHORTEST])) < SHORTEST
    return wanted in (found, found.partition("-")[0])

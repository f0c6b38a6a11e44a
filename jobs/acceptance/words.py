"""How many words a text has, in any script."""

from functools import cache
from typing import Any

import regex


def count_words(text: str) -> int:
    """The words of Unicode's segmentation, and each Chinese, Japanese or Korean character as one; marks count nothing.

    In a mixed text both add up.
    """
    characters, words = _patterns()
    rest, count = characters.subn(" ", text)
    return int(count) + sum(1 for _ in words.finditer(rest))


@cache
def _patterns() -> tuple[Any, Any]:
    characters = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}--\p{M}--\p{P}]"
    # `_tea_` is one segment too, and a word: the underscores are Markdown.
    word = r"\b_*[\p{L}\p{N}].*?\b"
    return regex.compile(characters, regex.V1), regex.compile(word, regex.V1 | regex.WORD | regex.DOTALL)

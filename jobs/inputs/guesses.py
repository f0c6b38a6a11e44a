"""Guesses the encoding of a text that is not UTF-8: GB18030, Big5, Shift_JIS, EUC-KR or one of Windows' single bytes.

chardet ranks them by statistics, which a table of ten words gives it little of. So the first in its ranking is taken in
which the text looks like one that people write: common characters, and no signs in the middle of words.
"""

import codecs
import re
from collections.abc import Callable

import chardet

_CANDIDATES = ("gb18030", "big5hkscs", "cp932", "cp949", "windows-1252", "windows-1251", "windows-1250")
_MOST_BYTES = 20_000
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")
# Signs beside letters that are no letters: a text of another encoding.
_SIGNS = "¡¢¤¥¦§¨ª¬¯±²³´µ¶¸¹º¼½¾¿×÷ƒ†‡ˆ‰˜™˛ˇ˘˙˝"
_ODD_SIGN = re.compile(rf"[^\W\d_][{_SIGNS}]+[^\W\d_]|[{_SIGNS}][^\W\d_\x00-\x7f]|[^\W\d_\x00-\x7f][{_SIGNS}]")
_WORD = re.compile(r"[^\W\d_]+")
_LONG_RUN = re.compile(r"[^\x00-\x7f]{4}")


def guess_encoding(content: bytes) -> str:
    """The codec of bytes that are not UTF-8."""
    # Only the lines that say something: of a long English text one word may be French.
    telling = b"\n".join(line for line in content.split(b"\n") if not line.isascii())[:_MOST_BYTES]
    ranked = [
        codecs.lookup(found["encoding"]).name
        for found in chardet.detect_all(telling, ignore_threshold=True, include_encodings=_CANDIDATES)
        if found["encoding"] is not None
    ]
    ranked = [{"big5": "big5hkscs", "shift_jis": "cp932", "euc_kr": "cp949"}.get(codec, codec) for codec in ranked]
    others = [codecs.lookup(name).name for name in _CANDIDATES]
    possible = [codec for codec in dict.fromkeys([*ranked, *others]) if _share(telling, codec) is not None]
    # What is Windows-1250 to statistics is Windows-1252 more often, unless it has signs in its words then.
    if "cp1252" in possible and (_share(telling, "cp1252") or 0) >= 1 and possible[0] in ("cp1250", "cp1252"):
        return "cp1252"
    plausible = [codec for codec in possible if (_share(telling, codec) or 0) >= 0.9]
    found = (plausible or possible or ["cp1252"])[0]
    # What Windows writes as Big5, where the text does not need the signs of Hong Kong.
    return "cp950" if found == "big5hkscs" and _share(telling, "cp950") is not None else found


def _share(content: bytes, codec: str) -> float | None:
    """How much of a text looks as it should in this encoding; None when it cannot be in it."""
    try:
        text = content.decode(codec)
    except UnicodeDecodeError:
        # The end may be cut in the middle of a character.
        try:
            text = content[: content.rfind(b"\n")].decode(codec) if b"\n" in content else ""
        except UnicodeDecodeError:
            return None
    foreign = [character for character in text if character > "\x7f"]
    if not foreign:
        return None
    if codec not in _COMMON:
        words = [word for word in _WORD.findall(text) if not word.isascii()]
        natural = sum(_is_natural(word, is_cyrillic=codec == "cp1251") for word in words)
        return (natural - len(_ODD_SIGN.findall(text))) / len(words) if words else 1 - len(_ODD_SIGN.findall(text))
    is_common = _COMMON[codec]
    return sum(map(is_common, foreign)) / len(foreign)


def _is_natural(word: str, *, is_cyrillic: bool) -> bool:
    """Whether a word is written as words are: small, capital or both in their places, and of one script."""
    if not (word[1:].islower() or word.isupper() or len(word) == 1):
        return False
    if is_cyrillic:
        return all(letter > "\x7f" for letter in word)
    return not _LONG_RUN.search(word)


def _lead(codec: str, first: int, last: int) -> Callable[[str], bool]:
    def is_common(character: str) -> bool:
        encoded = character.encode(codec)
        return len(encoded) == 2 and first <= encoded[0] <= last

    return is_common


def _is_japanese(character: str) -> bool:
    return not _HALF_WIDTH.match(character) and _lead("cp932", 0x81, 0x97)(character)


_COMMON: dict[str, Callable[[str], bool]] = {
    # The frequent characters of each stand together: GB 2312's and Big5's first level, those of JIS, Hangul.
    "gb18030": _lead("gb18030", 0xA1, 0xD7),
    "big5hkscs": _lead("big5hkscs", 0xA1, 0xC6),
    "cp950": _lead("cp950", 0xA1, 0xC6),
    "cp932": _is_japanese,
    "cp949": _lead("cp949", 0xA1, 0xC8),
}

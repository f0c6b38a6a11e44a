"""Where a line of a terminal may break, by display width: Chinese between characters, all else between words."""

import re

from rich.cells import cell_len

_WIDE = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_OPENING = "（「『《“‘【([{<'\"`"
_CLOSING = "，。、；：？！）」』》”’】…)\\]}>'\"`,.;:?!%"
_PIECE = re.compile(
    # What opens stands before the first character of a piece, what closes and the space behind its last one.
    rf"\s*[{re.escape(_OPENING)}]*"
    f"(?:[^\\s{_WIDE}{_OPENING[:7]}{_CLOSING[:12]}]+|\\S|$)"
    f"[{_CLOSING}]*"
    r"\s*",
)


def divide_line(text: str, width: int, fold: bool = True) -> list[int]:
    """The places in `text` at which new lines begin, as Rich's own function of this name gives them. With `fold`, a
    piece that is wider than a line is broken wherever the line ends.
    """
    breaks: list[int] = []
    used = 0
    for piece in _PIECE.finditer(text):
        place, words = piece.start(), piece[0]
        needed = cell_len(words.rstrip())
        if used and used + needed > width:
            breaks.append(place)
            used = 0
        if fold and used + needed > width:
            for at, cells in enumerate(map(cell_len, words.rstrip()), place):
                if used and used + cells > width:
                    breaks.append(at)
                    used = 0
                used += cells
            used += cell_len(words) - needed
        else:
            used += cell_len(words)
    return [place for place in breaks if place]

"""Whether a text ends well: with a whole sentence, fence, table or list, as far as its last lines can tell."""

import re
import unicodedata

# Of English, Chinese and Japanese, Arabic, Urdu, Hindi, Armenian, Amharic, Burmese and Khmer.
_SENTENCE_ENDS = frozenset(".!?…⋯‽。．！？｡؟۔।॥։።፧၊။។")
_CLOSERS = frozenset("\"'”’»›」』）)】］]〕〉》*_~`")
_SYMBOLS = frozenset(("So", "Sk", "Mn", "Cf"))
"""What an emoji is made of."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)\s*$")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_ITEM = re.compile(r"\s*(?:[-*+•·]|\d{1,4}[.)、．]|[（(]?[一二三四五六七八九十\d]{1,3}[、）)])\s*\S")
_DELIMITERS = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$")
_FOOTNOTE = re.compile(r"\s*\[\^?\w{1,8}\]$")
_ASIDE = re.compile(r"\s*(?:\([^()]{1,300}\)|（[^（）]{1,300}）|\[[^\[\]]{1,300}\]|【[^【】]{1,300}】)$")


def find_bad_ending(text: str) -> str | None:
    """What is wrong with the end of a text; None when it ends well."""
    lines = text.rstrip().splitlines()
    fenced, closed = _read_fences(lines)
    if fenced:
        return "a code block that is not closed"
    if closed:
        return None
    lines = _without_rule(lines)
    if not lines:
        return "no text"
    last, before = lines[-1], lines[-2] if len(lines) > 1 else ""
    if _HEADING.match(last) or (_UNDERLINE.match(last) and before.strip() and "|" not in last):
        return f"a heading, {_shown(before if _UNDERLINE.match(last) else last)}"
    if last.lstrip().startswith("|") or _is_in_table(lines):
        return _find_table_fault(lines)
    if _ends_sentence(last) or (_ITEM.match(last) and _is_open_list(lines)):
        return None
    return f"a sentence that does not end, {_shown(last)}"


def _read_fences(lines: list[str]) -> tuple[bool, bool]:
    """Whether a fence is open at the end, and whether the last line closes one."""
    opened, closed = "", False
    for line in lines:
        closed = False
        found = _FENCE.match(line)
        if found is None:
            continue
        marks, info = found[1], found[2]
        if not opened:
            opened = "" if marks[0] == "`" and "`" in info else marks
        elif marks[0] == opened[0] and len(marks) >= len(opened) and not info.strip():
            opened, closed = "", True
    return bool(opened), closed


def _without_rule(lines: list[str]) -> list[str]:
    """The lines without a rule across the page at their end, unless it underlines a heading."""
    if len(lines) > 1 and _RULE.match(lines[-1]) and not (_UNDERLINE.match(lines[-1]) and lines[-2].strip()):
        return "\n".join(lines[:-1]).rstrip().splitlines()
    return lines


def _is_in_table(lines: list[str]) -> bool:
    """Whether the last lines are a table whose rows begin with no bar."""
    block = _last_block(lines)
    return "|" in block[-1] and any("|" in line and _DELIMITERS.match(line) for line in block)


def _find_table_fault(lines: list[str]) -> str | None:
    block = _last_block(lines)
    place = next((number for number, line in enumerate(block) if _DELIMITERS.match(line) and "|" in line), None)
    if place is None or place == 0:
        return f"a table of which only the beginning is there, {_shown(block[-1])}"
    if place == len(block) - 1:
        return "a table without rows"
    whole = block[place]
    if _count_cells(block[-1]) < _count_cells(whole):
        return f"a row of a table with {_count_cells(block[-1])} of {_count_cells(whole)} cells, {_shown(block[-1])}"
    if whole.rstrip().endswith("|") and not block[-1].rstrip().endswith("|"):
        return f"a row of a table that is not closed, {_shown(block[-1])}"
    return None


def _last_block(lines: list[str]) -> list[str]:
    """The lines after the last empty one."""
    start = max((number for number, line in enumerate(lines) if not line.strip()), default=-1)
    return lines[start + 1 :]


def _count_cells(row: str) -> int:
    return len(row.replace("\\|", "").strip().strip("|").split("|"))


def _ends_sentence(line: str) -> bool:
    """Whether a line ends a sentence; what may follow one is taken away first: quotes, brackets, notes, emoji."""
    left = line.rstrip()
    while left:
        if left[-1] in _SENTENCE_ENDS:
            return True
        shorter = _ASIDE.sub("", _FOOTNOTE.sub("", left))
        if shorter != left and shorter:
            left = _before_aside(left, shorter)
        elif left[-1] in _CLOSERS or unicodedata.category(left[-1]) in _SYMBOLS or left[-1].isspace():
            left = left[:-1]
        else:
            return False
    return False


def _before_aside(line: str, shorter: str) -> str:
    """Inside of the brackets, where the sentence ends there; else what stands before them."""
    inside = line.rstrip("".join(_CLOSERS))
    return inside if inside and inside[-1] in _SENTENCE_ENDS else shorter


def _is_open_list(lines: list[str]) -> bool:
    """Whether the last item is one of several, of which the one before ends without a mark, too."""
    items = [line for line in lines if _ITEM.match(line)]
    return len(items) > 1 and not _ends_sentence(items[-2]) and not items[-1].rstrip().endswith(tuple(",，、:：;；-—"))


def _shown(line: str) -> str:
    line = " ".join(line.split())
    return f'"{line}"' if len(line) <= 60 else f'"…{line[-59:]}"'

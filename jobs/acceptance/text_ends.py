"""Whether a text ends well: with a whole sentence, fence, formula, table or list, as far as its last lines can tell."""

import re
import unicodedata

from jobs.acceptance.fences import read_fences
from jobs.acceptance.markup_ends import find_markup_end, leaves_code_open

# Of English, Chinese and Japanese, Arabic, Urdu, Hindi, Armenian, Amharic, Burmese, Khmer, Tibetan and Greek.
_SENTENCE_ENDS = frozenset(".!?…⋯‽。．！？｡؟۔।॥։።፧၊။។།༎\u037e")
_CLOSERS = frozenset("\"'”’»›」』）)】］]〕〉》*_~`")
_SYMBOLS = frozenset(("So", "Sk", "Mn", "Cf"))
"""What an emoji is made of."""

_HEADING = re.compile(r" {0,3}#{1,6}(\s|$)")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)\s*$")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$")
_ITEM = re.compile(r"\s*(?:[-*+•·]|\d{1,4}[.)、．]|[（(]?[一二三四五六七八九十\d]{1,3}[、）)])\s*\S")
_DELIMITER = re.compile(r"\s*:?-+:?\s*")
_QUOTED = re.compile(r"\A(?:[ \t]*>)+ ?")
_ASIDES = {")": "(", "）": "（", "]": "[", "】": "【"}
"""How an aside or a note ends and begins."""
_LONGEST_ASIDE = 300
_UNENDED = re.compile(
    r"\S\s+\S+\s+(?:a|an|the|and|or|nor|but|because|although|whereas|than)$|(?:因为|但是|以及|或者|并且|而且)$"
    r"|[,，、:：;；\-—(（\[【{「『“‘]$"
    r"|(?:^|\s)\*\*(?:[^\s*][^*]*)?$"
)
"""How an item of a list does not end: with a word or a mark after which something comes, or in bold letters."""
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})[ \t]*(\S*)")
_SHOWING = frozenset(("md", "markdown"))


def find_bad_ending(text: str) -> str | None:
    """What is wrong with the end of a text; None when it ends well."""
    lines = text.rstrip().splitlines()
    fences = read_fences(lines)
    if fences.is_open:
        return None if _closes_shown_blocks(lines) else "a code block that is not closed"
    if fences.closes:
        return None
    markup = find_markup_end([_QUOTED.sub("", line) for line in fences.plain])
    if markup.fault is not None or markup.closes:
        return markup.fault
    lines = _without_rule("\n".join(_QUOTED.sub("", line) for line in lines))
    if not lines:
        return "no text"
    last, before = lines[-1], lines[-2] if len(lines) > 1 else ""
    if _HEADING.match(last) or (_UNDERLINE.match(last) and before.strip() and "|" not in last):
        return f"a heading, {_shown(before if _UNDERLINE.match(last) else last)}"
    if last.lstrip().startswith("|") or _is_in_table(lines):
        return _find_table_fault(lines)
    if leaves_code_open(last):
        return f"inline code that is not closed, {_shown(last)}"
    if _ends_sentence(last) or _ends_speech(last) or (_ITEM.match(last) and _is_open_list(lines)):
        return None
    return f"a sentence that does not end, {_shown(last)}"


def _closes_shown_blocks(lines: list[str]) -> bool:
    """Whether the last line ends a block of Markdown that shows other blocks, each closed, with the same marks."""
    depth, is_showing = 0, False
    for line in lines:
        found = _FENCE.match(line)
        if found is None:
            continue
        if depth == 0:
            depth, is_showing = 1, found[2].lower() in _SHOWING
        elif not found[2]:
            depth -= 1
        elif is_showing:
            depth += 1
    return depth == 0 and is_showing and _FENCE.fullmatch(lines[-1].rstrip()) is not None


def _without_rule(text: str) -> list[str]:
    """The lines without a rule across the page at their end, unless it underlines a heading."""
    lines = text.rstrip().splitlines()
    if len(lines) > 1 and _RULE.match(lines[-1]) and not (_UNDERLINE.match(lines[-1]) and lines[-2].strip()):
        return "\n".join(lines[:-1]).rstrip().splitlines()
    return lines


def _is_in_table(lines: list[str]) -> bool:
    """Whether the last lines are a table whose rows begin with no bar."""
    block = _last_block(lines)
    return "|" in block[-1] and any(map(_is_delimiter, block))


def _find_table_fault(lines: list[str]) -> str | None:
    block = _last_block(lines)
    place = next((number for number, line in enumerate(block) if _is_delimiter(line)), None)
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


def _is_delimiter(line: str) -> bool:
    """Whether a line stands between the head of a table and its rows."""
    cells = line.strip().removeprefix("|").removesuffix("|").split("|")
    return "|" in line and all(_DELIMITER.fullmatch(cell) for cell in cells)


def _last_block(lines: list[str]) -> list[str]:
    """The lines after the last empty one."""
    start = max((number for number, line in enumerate(lines) if not line.strip()), default=-1)
    return lines[start + 1 :]


def _count_cells(row: str) -> int:
    return len(row.replace("\\|", "").strip().strip("|").split("|"))


def _ends_sentence(line: str) -> bool:
    """Whether a line ends a sentence; what may follow one is passed over: quotes, brackets, notes, emoji.

    It only counts back: a line may be long, and be nothing but spaces or brackets.
    """
    start, end = len(line) - len(line.lstrip()), len(line)
    while end > start:
        last = line[end - 1]
        if last in _SENTENCE_ENDS or "\u0e00" <= last <= "\u0eff":  # no mark ends a sentence in Thai and Lao
            return True
        if last == ";":
            return "GREEK" in unicodedata.name(line[end - 2], "") if end - 2 >= start else False
        if last == "$":  # a formula, which may have the mark
            return line[end - 2] in _SENTENCE_ENDS and line.count("$", start, end - 1) % 2 == 1
        opened = _find_aside(line, end) if last in _ASIDES else -1
        if opened > start:
            # It may be the sentence that stands in brackets.
            if line[opened + 1 : end].rstrip("".join(_CLOSERS) + "\\").endswith(tuple(_SENTENCE_ENDS)):
                return True
            end = opened
        elif last in _CLOSERS or last.isspace() or unicodedata.category(last) in _SYMBOLS:
            end -= 1
        else:
            return False
    return False


def _ends_speech(line: str) -> bool:
    """Whether a line of Japanese ends with speech, which has no mark before its bracket."""
    line = line.rstrip()
    opened = line.rfind({"」": "「", "』": "『"}.get(line[-1:], "\n"))
    before = line[: max(opened, 0)].rstrip()[-1:]
    return opened >= 0 and (before in "。．！？!?、…：") and any("\u3040" <= one <= "\u30ff" for one in line[opened:])


def _find_aside(line: str, end: int) -> int:
    """Where the brackets open that close there; -1 if they are empty, nested or too far apart."""
    closes, opens = line[end - 1], _ASIDES[line[end - 1]]
    at = line.rfind(opens, max(0, end - 2 - _LONGEST_ASIDE), end - 1)
    is_aside = -1 < at < end - 2 and line.find(closes, at, end - 1) < 0
    return at if is_aside else -1


def _is_open_list(lines: list[str]) -> bool:
    """Whether the last item is one of several, of which the one before ends without a mark, too."""
    items = [line for line in lines if _ITEM.match(line)]
    return len(items) > 1 and not _ends_sentence(items[-2]) and not _UNENDED.search(items[-1].rstrip())


def _shown(line: str) -> str:
    line = " ".join(line.split())
    return f'"{line}"' if len(line) <= 60 else f'"…{line[-59:]}"'

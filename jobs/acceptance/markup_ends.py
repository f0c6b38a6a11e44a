"""What a text leaves open or closes at its end: formulas, environments of LaTeX, blocks of HTML, inline code."""

import re
from collections import Counter
from typing import NamedTuple

_CODE = re.compile(r"(?<!`)(`{1,2})(?!`)[^`\n]+\1(?!`)")
_OPENED_CODE = re.compile(r"(?:^|[\s(（])`(?=[^\s`.,;:!?)\]）】])")
_DOLLARS = re.compile(r"(?<!\$)\$\$(?!\$)")
_FORMULA = re.compile(r"[A-Za-z0-9\\({\[-]")
"""How a formula begins. Behind other marks, `$$` may be a price."""
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([^{}\n]{1,64})\}")
_MARGIN = re.compile(r"[ \t>]*(?:[-*+][ \t]|\d{1,9}[.)][ \t])?[ \t]*$")
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)(?:\s[^<>]*)?>")
_BLOCKS = frozenset(
    ("article", "aside", "blockquote", "body", "details", "div", "dl", "figure", "footer", "form", "html", "main",
     "nav", "ol", "pre", "section", "table", "ul")
)  # fmt: skip
"""What has to be closed; a paragraph or an item of a list need not be."""
_LAST_TAG = re.compile(rf"</(?:p|li|dd|{'|'.join(sorted(_BLOCKS))})>\Z", re.IGNORECASE)


class MarkupEnd(NamedTuple):
    """How a text ends, as far as its markup tells."""

    fault: str | None
    """What is still open."""
    closes: bool
    """Whether the last that it does is to close a formula, an environment or a block."""


def find_markup_end(lines: list[str]) -> MarkupEnd:
    """`lines` are without code blocks."""
    text = "\n".join(_CODE.sub("x", line).rstrip() for line in lines).rstrip()
    dollars_open, dollars_close = _read_dollars(text)
    environments_open, environments_close = _read_environments(text)
    brackets = text.rfind("\\["), text.rfind("\\]")
    if dollars_open or environments_open or _is_open_bracket(text, *brackets):
        return MarkupEnd("a formula that is not closed", False)
    closes = dollars_close or environments_close
    closes = closes or (text.endswith("\\]") and brackets[0] > text.rfind("\\]", 0, -2))
    return MarkupEnd(None, closes or _closes_block(text))


def leaves_code_open(line: str) -> bool:
    """Whether inline code begins in this line and does not end there. A quotation `of old' does not."""
    rest = _CODE.sub("x", line)
    opened = _OPENED_CODE.search(rest)
    return opened is not None and not any(mark in rest[opened.end() :] for mark in "`'")


def _read_dollars(text: str) -> tuple[bool, bool]:
    """Whether a formula in `$$` is open at the end, and whether the end closes one. What looks like none and has no
    partner in its paragraph, as in "it costs $$ a lot", is a price.
    """
    opened, is_sure, is_alone, closed_at, last = False, False, False, -1, 0
    for found in _DOLLARS.finditer(text):
        start, end = found.span()
        if opened and not is_alone and _has_paragraph(text, last, start):
            opened = False
        line_ends = text[end : end + 1] in ("", "\n")
        alone = line_ends and _MARGIN.match(text[text.rfind("\n", 0, start) + 1 : start]) is not None
        sure = alone or (_FORMULA.match(text, end) is not None and not text[start - 1 : start].isalnum())
        if opened and (is_sure or not sure or alone):
            opened, closed_at = False, end
        else:
            opened, is_sure, is_alone = True, sure, alone
        last = end
    is_open = opened and is_sure and (is_alone or not _has_paragraph(text, last, len(text)))
    return is_open and last < len(text), closed_at == len(text)


def _has_paragraph(text: str, start: int, end: int) -> bool:
    """Whether an empty line stands between."""
    return text.find("\n\n", start, end) >= 0


def _read_environments(text: str) -> tuple[bool, bool]:
    """The same for `\\begin{...}` and `\\end{...}`. One that begins within a line may be only spoken of."""
    opened, spoken_of = Counter[str](), Counter[str]()
    closed_at = -1
    for found in _ENVIRONMENT.finditer(text):
        kind, name = found.groups()
        before = text[max(found.start() - 100, 0) : found.start()].rpartition("\n")[2]
        if kind == "begin":
            (opened if not before.strip(" \t>") else spoken_of)[name] += 1
        elif opened[name] or spoken_of[name]:
            (opened if opened[name] else spoken_of)[name] -= 1
            closed_at = found.end()
    return opened.total() > 0, closed_at == len(text) > 0


def _is_open_bracket(text: str, opened: int, closed: int) -> bool:
    """Whether `\\[` stands at a margin with nothing behind it, and nothing closes it."""
    if opened <= closed or text[opened + 2 : opened + 3] != "\n":
        return False
    return _MARGIN.match(text[max(opened - 100, 0) : opened].rpartition("\n")[2]) is not None


def _closes_block(text: str) -> bool:
    """Whether a text ends with the end of a block of HTML, and leaves none open."""
    if not text.endswith(">"):
        return False
    tags = [(closing, name.lower()) for closing, name in _TAG.findall(text)]
    ends = _LAST_TAG.search(text)
    opened, closed = (Counter(name for closing, name in tags if closing == mark) for mark in ("", "/"))
    return ends is not None and all(opened[name] <= closed[name] for name in _BLOCKS)

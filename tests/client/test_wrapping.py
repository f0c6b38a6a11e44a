"""Where lines of a terminal break."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from longhand.terminal.wrapping import divide_line


def lines(text: str, width: int) -> list[str]:
    places = [0, *divide_line(text, width), len(text)]
    return [text[start:end].rstrip() for start, end in pairwise(places)]


@pytest.mark.parametrize(
    ("text", "width", "broken"),
    [
        ("默认：prompt 列。", 10, ["默认：", "prompt", "列。"]),
        ("可以重复。", 8, ["可以重", "复。"]),  # no full stop begins a line
        ("见（例如）下", 6, ["见（例", "如）下"]),
        ("写 '写一篇' 吧", 6, ["写 '写", "一篇'", "吧"]),  # no quotation mark ends a line that it opens, or begins one
        ("a plain sentence", 8, ["a plain", "sentence"]),
        ("unbreakable", 4, ["unbr", "eaka", "ble"]),
        ("", 4, [""]),
    ],
)
def test_chinese_breaks_between_characters_and_all_else_between_words(text: str, width: int, broken: list[str]) -> None:
    assert lines(text, width) == broken


@given(st.text(alphabet="ab 茶，。（'x-", max_size=60), st.integers(min_value=2, max_value=20))
def test_nothing_is_lost_and_no_line_is_wider_than_the_terminal(text: str, width: int) -> None:
    places = divide_line(text, width)
    assert places == sorted(set(places))
    assert all(cell_len(line) <= width for line in lines(text, width))

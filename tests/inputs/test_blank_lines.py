"""Lines with nothing in them: a file of millions of them is read without a step of the reader for each."""

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from jobs.inputs.mistakes import MistakeError
from jobs.inputs.reading import InputFile, ReadOptions
from jobs.inputs.table import Line

BLANK = 20_000


def calls_of(work: Callable[[], Any]) -> tuple[Any, int]:
    """What the work gives, and how many functions written in Python it calls."""
    calls = 0

    def count(_frame: Any, event: str, _what: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        return work(), calls
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", ["topic,tone", "topic"])
def test_a_table_skips_them_and_its_rows_keep_their_numbers(end: str, header: str) -> None:
    row = "tea" + ",calm" * header.count(",")
    text = f"{header}{end}{row}{end}{end * BLANK}{row}{end}{end}"
    file = InputFile(
        io.BufferedReader(io.BytesIO(text.encode())),
        ".csv",
        ReadOptions("About {topic}."),
        max_line_bytes=1000,
    )
    lines, calls = calls_of(lambda: list(file.lines()))
    assert [(line.line, line.row) for line in lines] == [(2, 2), (3 + BLANK, 3 + BLANK)]
    assert calls < BLANK / 10


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_json_lines_skip_them(end: str) -> None:
    line = '{"prompt": "Write."}'
    text = f"{line}{end}{end * BLANK}{line}{end}{{{end}{end}{line}"
    file = InputFile(io.BufferedReader(io.BytesIO(text.encode())), ".jsonl", ReadOptions(), max_line_bytes=1000)
    lines, calls = calls_of(lambda: list(file.lines()))
    assert [one.line for one in lines if isinstance(one, Line)] == [1, 2 + BLANK, 5 + BLANK]
    assert [one.line for one in lines if isinstance(one, MistakeError)] == [3 + BLANK]
    assert calls < BLANK / 10

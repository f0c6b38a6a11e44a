"""Rows of CSV and JSON are those of Python's own writers, whatever is in them, and long texts come in pieces."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import csv_rows
from api.csv_rows import csv_row
from api.http import json_lines, slices
from api.http.json_lines import json_line, json_line_with

CELLS = (
    st.none()
    | st.integers()
    | st.floats()
    | st.text(st.sampled_from("ab\",\r\n ;'名\x00") | st.characters(), max_size=12)
)


def shorten_slices(patch: pytest.MonkeyPatch, size: int) -> None:
    for module in (csv_rows, json_lines, slices):
        patch.setattr(module, "SLICE_CHARACTERS", size)


@given(st.lists(CELLS, min_size=2, max_size=6), st.integers(1, 8))
def test_a_row_in_slices_is_the_row_that_pythons_writer_makes(cells: list[object], size: int) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerow(cells)
    with pytest.MonkeyPatch.context() as patch:
        shorten_slices(patch, size)
        assert "".join(csv_row(cells)) == written.getvalue()


def test_no_piece_of_a_long_cell_is_long() -> None:
    pieces = list(csv_row(["before", 'a "quoted" 😀' * 100_000, "after"]))
    assert max(map(len, pieces)) < 200_000
    assert "".join(pieces) == 'before,"' + 'a ""quoted"" 😀' * 100_000 + '",after\r\n'


LETTERS = st.sampled_from('ab"\\\n\u2028\x85😀\x00') | st.characters(exclude_categories=["Cs"])


@given(st.dictionaries(st.sampled_from(["text", "thoughts"]), st.text(LETTERS, max_size=12)), st.integers(1, 8))
def test_a_line_of_json_in_slices_is_the_line_that_pythons_encoder_makes(texts: dict[str, str], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        shorten_slices(patch, size)
        assert b"".join(json_line_with({"index": 1}, texts)) == json_line({"index": 1, **texts})


def test_no_piece_of_a_long_text_in_json_is_long() -> None:
    pieces = list(json_line_with({"index": 1}, {"text": 'a "quoted" 😀' * 100_000}))
    assert max(map(len, pieces)) < 300_000

"""Rows of CSV are those of Python's own writer, whatever is in them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

import api.csv_rows
from api.csv_rows import csv_row

CELLS = (
    st.none()
    | st.integers()
    | st.floats()
    | st.text(st.sampled_from("ab\",\r\n ;'名\x00") | st.characters(), max_size=12)
)


@given(st.lists(CELLS, min_size=2, max_size=6), st.integers(1, 8))
def test_a_row_in_slices_is_the_row_that_pythons_writer_makes(cells: list[object], size: int) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerow(cells)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.csv_rows, "_SLICE", size)
        assert "".join(csv_row(cells)) == written.getvalue()


def test_no_piece_of_a_long_cell_is_long() -> None:
    pieces = list(csv_row(["before", 'a "quoted" 😀' * 100_000, "after"]))
    assert max(map(len, pieces)) < 200_000
    assert "".join(pieces) == 'before,"' + 'a ""quoted"" 😀' * 100_000 + '",after\r\n'

"""Tables and templates that mean harm: each is read in linear time, or refused."""

import time
from pathlib import Path

import pytest

from jobs.inputs.mistakes import MistakeError, Notes
from jobs.inputs.reading import InputFile, ReadOptions, open_input
from jobs.inputs.table import MOST_COLUMNS, Line


def read(path: Path, table: bytes, template: str) -> list[object]:
    path.write_bytes(table)
    with open_input(path) as opened:
        options = ReadOptions(template=template)
        return list(InputFile(opened, ".csv", options, max_line_bytes=10_000_000, notes=Notes()).lines())


@pytest.mark.parametrize("count", [MOST_COLUMNS + 1, 300_000])
def test_a_table_with_more_columns_than_a_spreadsheet_is_refused_at_once(tmp_path: Path, count: int) -> None:
    """Before, a million of them took one of two places for files, and the interpreter, for hours."""
    names = b",".join(b"c%d" % number for number in range(count))
    began = time.process_time()
    with pytest.raises(MistakeError, match=f"{count} columns") as refused:
        read(tmp_path / "x.csv", names + b"\n" + b"," * (count - 1) + b"\n", "{c1}")
    assert refused.value.code == "too_many_columns"
    assert time.process_time() - began < 10


def test_a_table_as_wide_as_a_spreadsheet_is_read(tmp_path: Path) -> None:
    names = b",".join(b"c%d" % number for number in range(MOST_COLUMNS))
    lines = read(tmp_path / "x.csv", names + b"\n" + b"x," * (MOST_COLUMNS - 1) + b"x\n", "About {c9}")
    assert len(lines) == 1


def test_what_is_told_of_a_template_is_short_and_soon_there(tmp_path: Path) -> None:
    """The nearest of many long names took minutes to find, and all of them stood in the answer."""
    names = b",".join(b"%d" % number * 200 for number in range(10_000, 14_000))
    began = time.process_time()
    for template in ("{" + "1" * 15_000 + "}", "{12}"):
        with pytest.raises(MistakeError) as refused:
            read(tmp_path / "x.csv", names + b"\n" + b"," * 3999 + b"\n", template)
        assert refused.value.code == "wrong_template"
        assert len(str(refused.value)) < 25_000
    assert time.process_time() - began < 10


def test_a_template_that_names_a_long_cell_thousands_of_times_makes_no_prompt(tmp_path: Path) -> None:
    """Before, 9 MB became 54 GB, in memory."""
    found = read(tmp_path / "x.csv", b"a\n" + b"x" * 1_000_000 + b"\nshort\n", "{a}" * 6000)
    assert isinstance(found[0], MistakeError)
    assert found[0].code == "line_too_long"
    assert isinstance(found[1], Line)
    assert b"short" * 6000 in found[1].content


def test_a_prompt_that_only_its_escapes_make_too_long_is_refused(tmp_path: Path) -> None:
    found = read(tmp_path / "x.csv", b"a\n" + b"\x01" * 2_000_000 + b"\n", "{a}")
    assert [one.code for one in found if isinstance(one, MistakeError)] == ["line_too_long"]

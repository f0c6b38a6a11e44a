"""Any table, written in any encoding, with any delimiter and any way of quoting, is read back as it was."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from jobs.inputs.encodings import find_encoding, open_utf8
from jobs.inputs.mistakes import MistakeError
from jobs.inputs.reading import BUFFER_BYTES, InputFile, ReadOptions
from longhand.cli.submission import Options, read_submission

# As it is named to the reader, what it is written with, and whether nothing has to be said of it.
ENCODINGS = [
    ("utf-8", "utf-8", True), ("utf-8", "utf-8-sig", True), ("utf-16", "utf-16", True),
    ("utf-16-be", "utf-16-be", False), ("utf-16-le", "utf-16-le", False), ("utf-32", "utf-32", True),
    ("gb18030", "gb18030", False), ("gbk", "gbk", False),
    ("big5", "big5", False), ("shift_jis", "cp932", False), ("windows-1252", "cp1252", False),
]  # fmt: skip
LETTERS = st.sampled_from(list("abc XYZ019.,;|\t\"'{}=#/-\r\n éßñ“”–茶绿历史雨茶春の夏ラーメン🍵\xa0"))
CELL = st.text(LETTERS, max_size=12)
NAMES = ["topic", "tone", "custom_id", "主题"]


def open_bytes(content: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(content), BUFFER_BYTES)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=8))
    return NAMES[:width], rows


def written(columns: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str, always: bool, end: str) -> str:
    """As RFC 4180 has it. (The standard library's writer leaves a carriage return without quotation marks.)"""

    def cell(text: str) -> str:
        needs = always or any(mark in text for mark in (delimiter, '"', "\r", "\n"))
        return '"' + text.replace('"', '""') + '"' if needs else text

    return "".join(delimiter.join(map(cell, row)) + end for row in (columns, *rows))


def is_blank(row: Sequence[str]) -> bool:
    return not any(cell.strip(" \t\r\n\xa0") for cell in row)


@settings(max_examples=300, deadline=None)
@given(
    table=tables(),
    encoding=st.sampled_from(ENCODINGS),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    always=st.booleans(),
    end=st.sampled_from(["\r\n", "\n"]),
    says_sep=st.booleans(),
)
def test_a_table_is_read_back_cell_by_cell(
    table: tuple[list[str], list[list[str]]],
    encoding: tuple[str, str, bool],
    delimiter: str,
    always: bool,
    end: str,
    says_sep: bool,
) -> None:
    columns, rows = table
    name, codec, is_found = encoding
    text = (f"sep={delimiter}{end}" if says_sep else "") + written(columns, rows, delimiter, always, end)
    try:
        content = text.encode(codec)
    except UnicodeEncodeError:
        assume(False)
    # What statistics find out has tests of its own; a delimiter is found where there is one.
    read = ReadOptions(
        encoding=None if is_found else name, delimiter=None if says_sep or len(columns) > 1 else delimiter
    )
    opened = InputFile(open_bytes(content), ".csv", read, max_line_bytes=10_000)
    found = [row for row in opened.rows() if not isinstance(row, MistakeError)]
    assert [row.cells for row in found if not is_blank(row.cells)] == [row for row in rows if not is_blank(row)]
    assert opened.columns == columns
    if len(columns) > 1:
        assert opened.form is not None
        assert opened.form.delimiter == delimiter


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=60), kind=st.sampled_from([".csv", ".tsv", ".txt", ".jsonl"]))
@example(b"\xff\xfe", ".csv")
@example(b"\x00", ".jsonl")
@example(b"sep=", ".csv")
@example(b'"', ".csv")
@example(b"[", ".jsonl")
@example(b"a,b\n\x80", ".csv")
def test_no_bytes_make_the_reader_fail_in_another_way_than_a_mistake(content: bytes, kind: str) -> None:
    mistakes: list[MistakeError] = []
    try:
        opened = InputFile(open_bytes(content), kind, ReadOptions(), max_line_bytes=30)
        mistakes = [line for line in opened.lines() if isinstance(line, MistakeError)]
        assert all(mistake.line for mistake in mistakes)
    except MistakeError as mistake:
        mistakes.append(mistake)
    assert all(mistake.reason and mistake.remedy for mistake in mistakes)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompts=st.lists(st.text(LETTERS, min_size=1, max_size=20).filter(str.strip), min_size=1, max_size=6),
    way=st.sampled_from(["lines", "pretty", "list", "pretty list"]),
    end=st.sampled_from(["\n", "\r\n"]),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    is_ascii=st.booleans(),
)
def test_json_is_read_back_whichever_way_it_is_written(
    tmp_path: Path, prompts: list[str], way: str, end: str, codec: str, is_ascii: bool
) -> None:
    items = [{"custom_id": f'"{{[{number}', "prompt": prompt} for number, prompt in enumerate(prompts)]
    indent = 2 if "pretty" in way else None
    if "list" in way:
        text = json.dumps(items, indent=indent, ensure_ascii=is_ascii)
    else:
        text = "\n".join(json.dumps(item, indent=indent, ensure_ascii=is_ascii) for item in items)
    path = tmp_path / "in.jsonl"
    path.write_bytes(text.replace("\n", end).encode(codec))
    requests = read_submission(str(path), Options("m")).body["requests"]
    assert [(one["custom_id"], one["body"]["messages"][0]["content"]) for one in requests] == [
        (item["custom_id"], item["prompt"]) for item in items
    ]


@settings(max_examples=100, deadline=None)
@given(text=st.text(LETTERS, max_size=200), size=st.integers(1, 7), encoding=st.sampled_from(ENCODINGS))
def test_a_text_is_the_same_however_its_bytes_are_cut(text: str, size: int, encoding: tuple[str, str, bool]) -> None:
    name, codec, is_found = encoding
    try:
        content = text.encode(codec)
    except UnicodeEncodeError:
        assume(False)

    class Cut(io.RawIOBase):
        def __init__(self) -> None:
            super().__init__()
            self.left = content

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as the reader's own
            piece, self.left = self.left[: min(size, len(buffer))], self.left[min(size, len(buffer)) :]
            buffer[: len(piece)] = piece
            return len(piece)

    file: io.BufferedReader = io.BufferedReader(Cut(), BUFFER_BYTES)
    file.peek(1)
    marks = {"utf-8-sig": 3, "utf-16": 2, "utf-32": 4}
    found = find_encoding(open_bytes(content), None if is_found else name)
    assert found.bom == marks.get(codec, 0)
    assert open_utf8(file, found).read().decode() == text


@pytest.mark.parametrize("rest", [b"", b",x\n" * 3])
def test_what_is_said_late_in_a_long_file_is_found(rest: bytes) -> None:
    """One French word at the end of two megabytes of English."""
    content = b"topic,tone\n" + b"Tea,calm\n" * 250_000 + "crème brûlée,doux\n".encode("cp1252") + rest
    opened = InputFile(open_bytes(content), ".csv", ReadOptions(template="{tone}"), max_line_bytes=1000)
    assert opened.encoding.name == "Windows-1252"
    last = None
    for row in opened.rows():
        assert not isinstance(row, MistakeError)
        if row.cells[0] not in ("Tea", ""):
            last = row.cells
    assert last == ["crème brûlée", "doux"]

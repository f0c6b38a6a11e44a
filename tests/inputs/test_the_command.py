"""What the command makes of files as people have them."""

from pathlib import Path

import pytest

from jobs.inputs.reading import ReadOptions
from longhand.cli.submission import Options, read_submission
from longhand.client.errors import InputError
from tests.inputs.cases import CASES, MODEL, Case, line


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_file_is_read_as_meant_or_refused_with_its_line_and_a_remedy(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.name
    path.write_bytes(case.content)
    options = Options(MODEL, ReadOptions(template=case.template))
    if not case.jobs:
        with pytest.raises(InputError) as refused:
            read_submission(str(path), options)
        said = str(refused.value).removeprefix(str(tmp_path) + "/")
        at, words = case.mistake or (None, "")
        place = case.name if at is None else f"{case.name}:{at}"
        assert said.startswith((f"{place}: ", f"{place} (row "))
        assert words in said
        return
    submission = read_submission(str(path), options)
    requests = submission.body["requests"]
    assert [(one.get("custom_id"), one["body"]["messages"][-1]["content"]) for one in requests] == list(case.jobs)
    assert dict(case.body).items() <= requests[0]["body"].items()
    assert bool(submission.remarks) >= bool(case.notes)


GUESS = (
    "read as GB18030, which is a guess from its text: if the texts look wrong, name the encoding with --encoding, or"
    " save the file as UTF-8"
)


def test_what_was_read_otherwise_is_said(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes("主题;语气\n绿茶;平静\n;\n雨;温暖\n;\n".encode("gbk"))
    remarks = read_submission(str(path), Options(MODEL, ReadOptions(template="写{主题}"))).remarks
    assert [remark.removeprefix(f"{path}: ") for remark in remarks] == [
        GUESS,
        "read with a semicolon between the cells",
        (
            "no column custom_id, so each file is named after the first heading of its article, or else its job id;"
            " to name them after a column: --id-column '主题'"
        ),
        "a row without any text was left out (line 3 and 1 more)",
    ]


def test_an_encoding_a_delimiter_and_an_id_column_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes("nr,topic;x\n1,Łódź;y\n".encode("cp1250"))
    read = ReadOptions(template="{topic;x}", encoding="windows-1250", delimiter="comma", id_column="nr")
    [request] = read_submission(str(path), Options(MODEL, read)).body["requests"]
    assert (request["custom_id"], request["body"]["messages"][0]["content"]) == ("1", "Łódź;y")


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (ReadOptions(encoding="klingon"), "--encoding: 'klingon' is no encoding: take one such as utf-8"),
        (ReadOptions(encoding="base64"), "--encoding: 'base64' is no encoding"),
        (ReadOptions(delimiter="ab"), "--delimiter: 'ab' cannot part cells"),
        (ReadOptions(id_column="nr"), "--id-column: 'nr' is not a column: the columns are prompt"),
        (
            ReadOptions(id_column="Promt "),
            "--id-column: 'Promt ' is not a column: did you mean prompt? the columns are prompt",
        ),
        (
            ReadOptions(template="{promt}"),
            "--template: {promt} in the template is not a column: did you mean {prompt}?",
        ),
    ],
)
def test_what_is_said_of_a_file_is_checked(tmp_path: Path, read: ReadOptions, words: str) -> None:
    (tmp_path / "in.csv").write_text("prompt\nTea\n")
    with pytest.raises(InputError) as refused:
        read_submission(str(tmp_path / "in.csv"), Options(MODEL, read))
    assert words in str(refused.value)


@pytest.mark.parametrize("name", ["in.xlsx", "in.xls", "in.ods", "in.numbers"])
def test_a_workbook_is_refused_with_a_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"a workbook \(\.\w+\) is not read: save its sheet as CSV UTF-8"):
        read_submission(str(tmp_path / name), Options(MODEL))


@pytest.mark.parametrize(("name", "row"), [("in.jsonl", line("a", {"x": "y" * 2000})), ("in.csv", "y" * 2000)])
def test_a_line_that_is_too_long_is_named(tmp_path: Path, name: str, row: str) -> None:
    (tmp_path / name).write_text(f"prompt\n{row}\n" if name == "in.csv" else f"{line('b')}\n{row}\n")
    with pytest.raises(InputError, match=r":2: .* is longer than 1000 bytes \(LONGHAND_MAX_LINE_BYTES\)"):
        read_submission(str(tmp_path / name), Options(MODEL), max_line_bytes=1000)

"""What `longhand submit` makes of its input, and how it names a mistake."""

import io
import json
import sys
from pathlib import Path

import pytest

from jobs.inputs.reading import ReadOptions
from longhand.cli.submission import Options, looks_like_a_path, read_submission
from longhand.client.errors import InputError, RefusedError

MODEL = Options(model="m-1")


def written(tmp_path: Path, name: str, content: str | bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def refusal(source: str, options: Options = MODEL) -> str:
    with pytest.raises(InputError) as refused:
        read_submission(source, options)
    return str(refused.value).replace(str(Path(source).parent) + "/", "")


def test_a_prompt_becomes_one_job() -> None:
    submission = read_submission("Write about bees.", Options(model="m-1", metadata={"team": "a"}))
    assert not submission.is_batch
    assert submission.body == {
        "model": "m-1",
        "messages": [{"role": "user", "content": "Write about bees."}],
        "metadata": {"team": "a"},
    }


def test_a_prompt_without_a_model_is_refused() -> None:
    assert refusal("Write about bees.", Options()) == "a prompt needs a model: give it with --model"


def test_each_form_of_a_jsonl_line_becomes_the_same_request(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Bees"}]
    lines: list[dict[str, object]] = [
        {"prompt": "Bees", "temperature": 0.5},
        {"messages": messages, "temperature": 0.5},
        {"body": {"messages": messages, "temperature": 0.5}},
        {"method": "POST", "url": "/v1/chat/completions", "body": {"messages": messages, "temperature": 0.5}},
    ]
    content = "\n\n".join(json.dumps(line) for line in lines)
    submission = read_submission(written(tmp_path, "in.jsonl", content), MODEL)
    body = {"messages": messages, "temperature": 0.5, "model": "m-1"}
    assert submission.body == {"requests": [{"body": body}] * 4, "metadata": {"title": "in"}}


def test_a_batch_has_the_name_of_its_file_unless_it_is_given_a_title(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def metadata(source: str, **given: str) -> object:
        return read_submission(source, Options(model="m-1", metadata=given)).body.get("metadata")

    file = written(tmp_path, "春天.spring.txt", "Bees\n")
    assert metadata(file) == {"title": "春天.spring"}
    assert metadata(file, title="Own", team="a") == {"title": "Own", "team": "a"}
    full = {str(number): "x" for number in range(16)}
    assert metadata(file, **full) == full
    assert metadata(written(tmp_path, "no\udcfftext.txt", "Bees\n")) is None
    assert metadata("Write about bees.") is None
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"prompt": "a"}\n')))
    assert metadata("-") is None


def test_a_line_keeps_its_own_model_and_custom_id(tmp_path: Path) -> None:
    line = '{"custom_id": "bees", "model": "m-2", "prompt": "Bees"}'
    submission = read_submission(written(tmp_path, "in.jsonl", line), MODEL)
    [request] = submission.body["requests"]
    assert request["custom_id"] == "bees"
    assert request["body"]["model"] == "m-2"


def test_a_line_separator_inside_a_string_does_not_end_the_line(tmp_path: Path) -> None:
    content = json.dumps({"prompt": "one\u2028two"}, ensure_ascii=False) + "\r\n"
    submission = read_submission(written(tmp_path, "in.jsonl", "\ufeff" + content), MODEL)
    assert submission.body["requests"][0]["body"]["messages"][0]["content"] == "one\u2028two"


def test_jsonl_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO('{"prompt": "蜂"}\n'.encode())))
    assert read_submission("-", MODEL).body["requests"][0]["body"]["messages"][0]["content"] == "蜂"


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"custom_id": "a"}', 'a line needs one of "body", "messages" and "prompt", and this one has none of them'),
        ('{"prompt": "a", "messages": []}', 'this one has "messages" and "prompt"'),
        ('{"prompt": " "}', '"prompt" must be a text that is not empty'),
        ('{"prompt": 3}', '"prompt" must be a text that is not empty'),
        ('{"messages": []}', '"messages" must be a list that is not empty'),
        ('{"messages": ["hello"]}', 'each of "messages" must be an object with a "role"'),
        ('{"body": 3}', '"body" must be an object'),
        ('{"body": {"messages": []}, "model": "m"}', '"model" must stand inside "body"'),
        ('{"url": "/v1/embeddings", "body": {}}', '"url" must be "/v1/chat/completions"'),
        ('{"method": "GET", "body": {}}', '"method" must be "POST"'),
        ('{"custom_id": 7.5, "prompt": "a"}', '"custom_id" must be a text that is not empty'),
        ('{"custom_id": "first", "prompt": "a"}', "\"custom_id\" 'first' stands in line 1 already"),
        ('{"prompt": "a", "temperature": NaN}', "NaN is not a JSON value"),
    ],
)
def test_a_wrong_line_is_named_with_file_and_number(tmp_path: Path, line: str, mistake: str) -> None:
    good = '{"custom_id": "first", "prompt": "a"}\n\n'
    said = refusal(written(tmp_path, "in.jsonl", good + line))
    assert said.startswith("in.jsonl:3: ")
    assert mistake in said


def test_a_name_that_stands_twice_is_told_by_the_column_that_the_user_has(tmp_path: Path) -> None:
    table = written(tmp_path, "in.csv", "SKU,prompt\nKlassik,a\nKlassik,b\n")
    said = refusal(table, Options(model="m-1", read=ReadOptions(id_column="SKU")))
    assert said == "in.csv:3: \"SKU\" 'Klassik' stands in line 2 already: give each its own"
    near = refusal(table, Options(model="m-1", read=ReadOptions(id_column="sku")))
    assert near == "in.csv: --id-column: 'sku' is not a column: did you mean SKU? the columns are SKU, prompt"


def test_a_line_without_a_model_is_named_when_the_command_gives_none(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, "in.jsonl", '{"prompt": "a"}'), Options())
    assert said == 'in.jsonl:1: no "model": name one in the line or with --model'


def test_a_model_that_every_line_lacks_is_told_once(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, "in.jsonl", '{"prompt": "a"}\n' * 3 + "{"), Options()).splitlines()
    assert [line.split(": ")[0] for line in said] == ["in.jsonl:1", "in.jsonl:4"]


def test_several_wrong_lines_are_named_at_once_but_not_without_end(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, "in.jsonl", "{\n" * 50)).splitlines()
    assert [line.split(": ")[0] for line in said[:10]] == [f"in.jsonl:{number}" for number in range(1, 11)]
    assert said[10:] == ["(and perhaps more)"]


def test_bytes_that_are_not_utf8_are_named_by_line(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, "in.jsonl", b'{"prompt": "a"}\n{"prompt": "\xff"}'))
    assert said.startswith("in.jsonl:2: the line is not UTF-8: its byte 13 is 0xff: save the file as UTF-8")


@pytest.mark.parametrize("name", ["articles", "articles.csv", "."])
def test_a_folder_is_no_prompt_unless_it_is_said_to_be_one(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir(exist_ok=True)
    assert refusal(name) == f"{name} is a folder: name a file that is in it; if it is a prompt, add --as-prompt"
    assert not read_submission(name, MODEL, is_prompt=True).is_batch
    assert not looks_like_a_path("./" + name)  # else the command would ask whether it is a prompt


def test_a_table_without_names_for_its_rows_is_remarked(tmp_path: Path) -> None:
    def remarks(name: str, content: str, id_column: str | None = None) -> tuple[str, ...]:
        options = Options(model="m-1", read=ReadOptions("Write about {topic}.", id_column=id_column))
        if name.endswith(".txt"):
            options = MODEL
        return read_submission(written(tmp_path, name, content), options).remarks

    files = "each file is named after the first heading of its article, or else its job id"
    said = f"no column custom_id: name one with --id-column, or {files}"
    assert remarks("in.csv", "topic,words\nbees,10\nbees,10\n") == (f"{tmp_path}/in.csv: {said}",)
    but = f"no column custom_id, so {files}; to name them after a column: --id-column {{}}"
    assert remarks("in.csv", "words,topic\n10,bees\n10,ants\n") == (f"{tmp_path}/in.csv: {but.format('topic')}",)
    of_several = "topic,ID,my name\nbees,1,a\nants,2,b\n"
    assert remarks("in.csv", of_several) == (f"{tmp_path}/in.csv: {but.format('ID')}",)
    with_a_space = "topic,my name\nbees,a\nbees,b\n"
    assert remarks("in.csv", with_a_space) == (f"{tmp_path}/in.csv: {but.format(repr('my name'))}",)
    assert remarks("in.csv", "topic,words\nbees,10\n", "topic") == ()
    assert remarks("in.csv", "custom_id,topic\nb,bees\n") == ()
    assert remarks("in.txt", "Write about bees.\n") == ()


def test_a_prompt_that_is_too_long_for_the_name_of_a_file_is_a_prompt() -> None:
    for prompt in ("写一篇关于蜂蜜的文章" * 15, "bees\0"):
        assert read_submission(prompt, MODEL).body["messages"][0]["content"] == prompt


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv"])
def test_a_file_that_is_not_there_is_no_prompt(tmp_path: Path, name: str) -> None:
    assert refusal(str(tmp_path / name)) == f"{name}: No such file or directory"


def test_a_file_of_another_kind_is_no_prompt(tmp_path: Path) -> None:
    assert "must end in .jsonl, .csv, .tsv or .txt" in refusal(written(tmp_path, "in.doc", "hello"))


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    said = refusal(written(tmp_path, name, "" if name == "in.jsonl" else "prompt\n"))
    assert said == f"{name}: there is nothing in it to submit"


def test_each_csv_row_goes_into_the_template(tmp_path: Path) -> None:
    content = 'custom_id,topic,model\r\nbees,"bees, and\nwasps",\r\nsea,tides,m-2\r\n'
    options = Options(model="m-1", read=ReadOptions(template="Write {{about}} { topic }"))
    requests = read_submission(written(tmp_path, "in.csv", content), options).body["requests"]
    assert requests == [
        {
            "custom_id": "bees",
            "cells": {"custom_id": "bees", "topic": "bees, and\nwasps", "model": ""},
            "body": {"messages": [{"role": "user", "content": "Write {about} bees, and\nwasps"}], "model": "m-1"},
        },
        {
            "custom_id": "sea",
            "cells": {"custom_id": "sea", "topic": "tides", "model": "m-2"},
            "body": {"messages": [{"role": "user", "content": "Write {about} tides"}], "model": "m-2"},
        },
    ]


def test_a_csv_row_is_named_by_the_line_it_begins_in(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, "in.csv", 'prompt,custom_id\n"two\nlines",a\nonly one cell\n'))
    assert said == "in.csv:4 (row 3): only 1 of 2 cells: add the cells that are missing, empty ones too"


def test_a_csv_without_a_prompt_column_needs_a_template(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, "in.csv", "topic,tone\nbees,warm\n"))
    assert said.startswith("in.csv:1: there is no template that makes a prompt of each row: give one such as")
    assert "the columns are topic, tone" in said


def test_what_longhand_refuses_is_told_with_file_and_line(tmp_path: Path) -> None:
    content = '{"prompt": "a"}\n\n{"prompt": "b", "n": 2}\n'
    submission = read_submission(written(tmp_path, "in.jsonl", content), MODEL)
    error = RefusedError("requests[1].body.n: must be 1", status=400, param="requests[1].body.n")
    assert submission.in_terms_of_input(error) == f"{tmp_path}/in.jsonl:3: body.n: must be 1"

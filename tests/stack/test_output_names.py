"""`longhand results -o`: what the name of the output says, and what names the files in it."""

import json
import re
from pathlib import Path

import pytest

from jobs.model.article_names import NameBy
from longhand.cli.output_form import form_of
from longhand.cli.results import write_results
from longhand.client.client import Client
from longhand.client.errors import InputError
from tests.stack.running_up import environ_of, longhand
from tests.upstream.scripted_upstream import ScriptedUpstream, head, http_chunk


def test_a_folder_is_stronger_than_a_name(tmp_path: Path) -> None:
    (tmp_path / "old.csv").mkdir()
    assert form_of(str(tmp_path / "old.csv"), None) == ("md", False)
    assert form_of(str(tmp_path / "new.csv"), "csv") == ("csv", True)
    assert form_of(str(tmp_path / "OUT.CSV"), None) == ("csv", True)
    assert form_of(str(tmp_path / "v1.2"), None) == ("md", False)
    assert form_of(str(tmp_path / "new.csv") + "/", "jsonl") == ("jsonl", False)
    assert form_of(str(tmp_path / "new.docx") + "/", None) == ("md", False)
    assert form_of("-", None) == ("md", False)


@pytest.mark.parametrize("name", ["x.docx", "x.txt", "out/x.JSON", "x.tar", "x.html", "x.xlsx", "文章.pdf"])
def test_a_name_that_promises_another_kind_of_file_is_refused_with_those_that_there_are(name: str) -> None:
    """Before, it became a folder of that name."""
    expected = f"no file like {re.escape(name)}. End its name in .md .* .csv, .jsonl or .zip; or .*: {re.escape(name)}/"
    with pytest.raises(InputError, match=expected):
        form_of(name, None)
    with pytest.raises(InputError, match=expected):
        form_of(name, "md")


def test_a_name_and_a_format_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InputError, match=r"new\.csv and --format jsonl do not fit"):
        form_of("new.csv", "jsonl")


def test_the_command_refuses_before_it_asks_the_server(tmp_path: Path) -> None:
    with ScriptedUpstream([head(), b"{}"]) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        by_id = ["--name-by", "id"]
        for options in ([f"{tmp_path}/x.docx"], [f"{tmp_path}/x.csv", *by_id], ["-", *by_id]):
            ran = longhand("results", "batch_1", "-o", *options, environ=environ)
            assert (ran.returncode, ran.stdout) == (2, "")
        assert server.exchanges == []


@pytest.mark.parametrize(
    ("name_by", "names"),
    [
        (None, ["0001-tea.md", "0002-Rain-again.md", "0003-job_3.md"]),
        (NameBy.CUSTOM_ID, ["0001-tea.md", "0002-Rain-again.md", "0003-job_3.md"]),
        (NameBy.HEADING, ["0001-All-about-tea.md", "0002-Rain-again.md", "0003-job_3.md"]),
        (NameBy.ID, ["0001-job_1.md", "0002-job_2.md", "0003-job_3.md"]),
    ],
)
def test_the_user_chooses_what_names_the_files(tmp_path: Path, name_by: NameBy | None, names: list[str]) -> None:
    texts = [("tea", "# All about tea\n\nHot."), (None, "# Rain again\n\nWet."), (None, "Nothing on top.")]
    items = [
        {"id": f"job_{place}", "custom_id": custom_id, "status": "completed", "text": text}
        for place, (custom_id, text) in enumerate(texts, 1)
    ]
    lines = b"".join(json.dumps(item).encode() + b"\n" for item in items)
    script = [head(transfer_encoding="chunked"), http_chunk(lines), http_chunk(b"")]
    with ScriptedUpstream(script) as server, Client(server.url) as client:
        write_results(client, "batch_1", tmp_path / "out", "md", name_by=name_by)
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == names

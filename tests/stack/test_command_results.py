"""`longhand results`: which files it writes, in which order, and that no half file passes for a whole one."""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from longhand.cli.results import write_results
from longhand.client.client import Client
from longhand.client.errors import InputError, LonghandError, NoAnswerError
from tests.stack.running_up import environ_of, longhand
from tests.upstream.scripted_upstream import Cut, Script, ScriptedUpstream, head, http_chunk

ITEMS: list[dict[str, object]] = [
    {"id": "job_1", "custom_id": "bees", "status": "completed", "finish_reason": "stop", "text": "Bees.\u2028\n蜂"},
    {
        "id": "job_2",
        "custom_id": "../etc/passwd",
        "status": "completed",
        "finish_reason": "length",
        "incomplete": {"reason": "max_output_tokens"},
        "text": "Passed.",
    },
    {
        "id": "job_3",
        "custom_id": None,
        "status": "failed",
        "error": {"code": "stall", "message": "no"},
        "partial_text": "x",
    },
    {"id": "job_4", "custom_id": "late", "status": "queued"},
    {"id": "job_5", "custom_id": "lost", "status": "failed", "error": {"code": "worker_lost", "message": None}},
]
LINES = b"".join(json.dumps(item, ensure_ascii=False).encode() + b"\n" for item in ITEMS)


UNTITLED: Script = [head(), b'{"id": "batch_1", "metadata": null, "request_counts": {"total": 3}}']


def chunks(content: bytes, size: int) -> list[bytes]:
    return [http_chunk(content[start : start + size]) for start in range(0, len(content), size)]


def test_articles_become_files_in_input_order_and_partial_texts_are_named_so(tmp_path: Path) -> None:
    script = [head(transfer_encoding="chunked"), *chunks(LINES, 7), http_chunk(b"")]
    with ScriptedUpstream(script) as server, Client(server.url) as client:
        written = write_results(client, "batch_1", tmp_path / "out", "md")
    names = sorted(path.name for path in (tmp_path / "out").glob("[!.]*"))
    assert names == ["0001-bees.md", "0002-etc-passwd.partial.md", "0003-job_3.partial.md"]
    assert (tmp_path / "out" / "0001-bees.md").read_bytes() == "Bees.\u2028\n蜂".encode()
    assert [path.name for path in written.files] == ["0001-bees.md"]
    assert [remark.rpartition("/")[2] for remark in written.remarks] == [
        "0002-etc-passwd.partial.md: cut short at the token limit",
        "0003-job_3.partial.md: incomplete: failed (stall: no)",
        "0004-late: no text: queued",
        "0005-lost: no text: failed (worker_lost)",
    ]


def test_remarks_are_in_the_language_of_the_command_and_in_json_always_english(tmp_path: Path) -> None:
    script = [head(transfer_encoding="chunked"), *chunks(LINES, 700), http_chunk(b"")]
    command = ["results", "batch_1", "-o", str(tmp_path / "out")]
    with ScriptedUpstream(script, script) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url, "LONGHAND_LANG": "zh"})
        shown = longhand(*command, environ=environ)
        as_json = longhand(*command, "--json", environ=environ)
    assert [line.rpartition("/")[2] for line in shown.stderr.splitlines()] == [
        "0002-etc-passwd.partial.md：达到 token 上限而被截断",
        "0003-job_3.partial.md：不完整：失败（stall: no）",
        "0004-late：没有正文：排队中",
        "0005-lost：没有正文：失败（worker_lost：每次尝试时工作进程都意外退出）",
        "out",
    ]
    assert shown.stderr.endswith(f"已将 1 篇完整的文章写入 {tmp_path / 'out'}\n")
    assert json.loads(as_json.stdout)["remarks"][2] == "0004-late: no text: queued"


def test_a_tool_call_without_a_text_is_no_article(tmp_path: Path) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    shared = {"status": "completed", "finish_reason": "tool_calls", "message": {"tool_calls": [call]}}
    items = [{"id": "job_1", **shared, "text": ""}, {"id": "job_2", **shared, "text": "Let me look."}]
    lines = "".join(json.dumps(item) + "\n" for item in items).encode()
    script = [head(transfer_encoding="chunked"), http_chunk(lines), http_chunk(b"")]
    with ScriptedUpstream(script) as server, Client(server.url) as client:
        written = write_results(client, "batch_1", tmp_path, "md")
    assert [path.name for path in written.files] == ["0002-job_2.md"]
    assert written.remarks == ["0001-job_1: no text, but a tool call: --format jsonl has it"]


def test_any_custom_ids_become_names_that_are_safe_and_differ_on_every_system(tmp_path: Path) -> None:
    names = ["a/b", "../up", "x" * 300, "CON", "Tea", "tea", "名" * 100, "a:b?*", ".", "-rf", "a. ", "\x00",
             "a\\b", "\u00e9", "e\u0301"]  # fmt: skip
    items = [{"id": f"job_{place}", "custom_id": name, "status": "completed", "finish_reason": "stop", "text": name}
             for place, name in enumerate(names)]  # fmt: skip
    script = [head(), b"\n".join(json.dumps(item).encode() for item in items)]
    with ScriptedUpstream(script) as server, Client(server.url) as client:
        written = write_results(client, "batch_1", tmp_path / "out", "md")
    made = sorted((tmp_path / "out").glob("[!.]*"))
    assert [path.read_bytes().decode() for path in made] == names  # in input order, each its own
    assert made == written.files
    for path in made:
        assert len(path.name.encode()) <= 255
        assert path.parent == tmp_path / "out"
        # No sign that Windows refuses, none of its devices, and nothing that a command takes for an option.
        assert re.fullmatch(r"\d{4}-[\w.-]+(?<![ .])\.md", path.name), path.name
    folded = {unicodedata.normalize("NFC", path.name).casefold() for path in made}
    assert len(folded) == len(names)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_one_file_holds_exactly_what_longhand_sent(tmp_path: Path, form: str) -> None:
    script = [head(transfer_encoding="chunked"), *chunks(LINES, 50), http_chunk(b"")]
    with ScriptedUpstream(UNTITLED, UNTITLED, script) as server, Client(server.url) as client:
        written = write_results(client, "batch_1", tmp_path, form)
    assert written.files == [tmp_path / f"batch_1.{form}"]
    assert written.files[0].read_bytes() == LINES
    assert server.last.path == f"/v1/batches/batch_1/results?format={form}"


@pytest.mark.parametrize("form", ["jsonl", "csv", "md", "zip"])
def test_the_name_of_the_output_says_its_form(tmp_path: Path, form: str) -> None:
    path = tmp_path / "new" / f"out.{form}"
    script = [head(transfer_encoding="chunked"), *chunks(LINES, 50), http_chunk(b"")]
    with ScriptedUpstream(UNTITLED, script) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        ran = longhand("results", "batch_1", "-o", str(path), environ=environ)
    assert (ran.returncode, ran.stderr) == (0, f"wrote {path}, the results of 3 jobs\n")
    assert path.read_bytes() == LINES
    assert server.last.path == f"/v1/batches/batch_1/results?format={form}"


def test_a_download_that_is_cut_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "batch_1.jsonl").write_text("earlier")
    script: Script = [head(transfer_encoding="chunked"), *chunks(LINES, 50)[:2], Cut()]
    with ScriptedUpstream(UNTITLED, UNTITLED, script) as server, Client(server.url) as client:
        with pytest.raises(NoAnswerError, match="did not answer to the end"):
            write_results(client, "batch_1", tmp_path, "jsonl", may_replace=lambda _: True)
        assert server.last.fired == ["Cut"]
    assert [path.name for path in tmp_path.iterdir()] == ["batch_1.jsonl"]
    assert (tmp_path / "batch_1.jsonl").read_text() == "earlier"


def test_a_file_that_is_there_is_replaced_only_with_force_and_else_nothing_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("earlier")
    command = ["results", "batch_1", "-o", str(path)]
    script = [head(transfer_encoding="chunked"), *chunks(LINES, 50), http_chunk(b"")]
    with ScriptedUpstream(UNTITLED, script) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        refused = longhand(*command, environ=environ)
        assert server.exchanges == []
        assert (refused.returncode, path.read_text()) == (2, "earlier")
        assert f"nothing was written: {path} exists already, and --force replaces it" in refused.stderr
        forced = longhand(*command, "--force", environ=environ)
    assert (forced.returncode, path.read_bytes()) == (0, LINES)
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.csv"]


def test_a_file_that_appears_during_the_download_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with ScriptedUpstream(UNTITLED, [head(), LINES]) as server, Client(server.url) as client:
        stream = client.stream_results

        @contextmanager
        def streaming(*arguments: Any, **named: Any) -> Iterator[Iterator[bytes]]:
            path.write_text("mine")
            with stream(*arguments, **named) as chunks:
                yield chunks

        client.stream_results = streaming  # type: ignore[method-assign]
        with pytest.raises(InputError, match="exists already"):
            write_results(client, "batch_1", path, "csv", is_file=True)
    assert path.read_text() == "mine"


def test_articles_replace_none_of_others_and_then_none_is_written(tmp_path: Path) -> None:
    items = [dict(ITEMS[0], id=f"job_{place}", custom_id=name, text=name) for place, name in enumerate(["a", "b", "c"])]
    script = [head(), b"\n".join(json.dumps(item).encode() for item in items)]
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "0001-a.md").write_text("a")  # as it will be
    (folder / "0002-b.md").write_text("edited by hand")
    with ScriptedUpstream(script, script, script) as server, Client(server.url) as client:
        with pytest.raises(InputError, match=r"nothing was written: .*0002-b\.md exists already, and --force"):
            write_results(client, "batch_1", folder, "md")
        assert sorted(path.name for path in folder.iterdir()) == ["0001-a.md", "0002-b.md"]
        assert (folder / "0002-b.md").read_text() == "edited by hand"
        asked: list[Path] = []

        def may_replace(files: Sequence[Path]) -> bool:
            asked.extend(files)
            return True

        write_results(client, "batch_1", folder, "md", may_replace=may_replace)
        assert asked == [folder / "0002-b.md"]
        write_results(client, "batch_1", folder, "md")  # the same again is no other
    assert [path.read_text() for path in sorted(folder.glob("[!.]*"))] == ["a", "b", "c"]


def test_one_file_in_a_folder_has_the_name_of_the_pages_download(tmp_path: Path) -> None:
    titled = [head(), b'{"id": "batch_123456789", "metadata": {"title": "Tea / rain"}, "request_counts": {"total": 3}}']
    named = [head(), b'{"id": "job_987654321", "custom_id": "bees", "status": "queued"}']
    scripts = [titled, titled, [head(), LINES], named, named, [head()]]
    with ScriptedUpstream(*scripts) as server, Client(server.url) as client:
        write_results(client, "batch_123456789", tmp_path, "csv")
        write_results(client, "job_987654321", tmp_path, "jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Tea-rain-456789.csv", "bees-654321.jsonl"]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Client() as client, pytest.raises(LonghandError, match="file/out: Not a directory"):
        write_results(client, "batch_1", tmp_path / "file" / "out", "jsonl")


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with Client() as client, pytest.raises(InputError, match="--format is one of md, jsonl, csv, zip, not 'pdf'"):
        write_results(client, "batch_1", tmp_path, "pdf")

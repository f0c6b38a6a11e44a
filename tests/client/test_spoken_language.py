"""The language that the command speaks: throughout its help and its errors, in any encoding and any shell."""

import json
import os
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer import rich_utils

from longhand.cli import command
from longhand.terminal.explanations import explained, reason
from longhand.terminal.lists import jobs_table
from longhand.words.catalogue import entries, language_of, meaning_of, speaking, t, translated
from tests.client.forked import run_each
from tests.client.sent import JOB
from tests.client.typers_words import keep_typers_words
from tests.stack.running_up import environ_of, longhand

_CHINESE = re.compile("[\u3400-\u9fff]")


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    """Speak English again afterwards, whatever a command was told."""
    with speaking("en"):
        yield


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.Big5"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "POSIX", "LC_MESSAGES": "zh_CN"}, "en"),
        ({"LC_ALL": "de_DE.UTF-8"}, "en"),
        ({"LONGHAND_LANG": "zh", "LC_ALL": "C"}, "zh"),
        ({"LONGHAND_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_the_language_is_that_of_the_locale_unless_longhand_is_told_another(
    environ: dict[str, str], language: str
) -> None:
    assert language_of(environ) == language


def test_english_counts() -> None:
    assert t("submit.accepted", count=1, id="x") == "submitted 1 job; follow with: longhand watch x"
    assert t("submit.accepted", count=0, id="x").startswith("submitted 0 jobs;")
    with speaking("zh"):
        assert t("submit.accepted", count=1, id="x") == "已提交 1 个任务；查看进度：longhand watch x"


def ask_in(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands speak a language; afterwards Typer's words are as they were."""
    keep_typers_words(monkeypatch)
    monkeypatch.setenv("LC_ALL", language)


def helps(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int = 100
) -> dict[str, str]:
    """Every help, by the name of its command."""
    ask_in(language, monkeypatch)
    monkeypatch.setattr(rich_utils, "MAX_WIDTH", width)
    found = {}
    with speaking("zh" if language.startswith("zh") else "en"):
        for path in list(_paths(command.make_command())):
            assert command.run([*path.split(), "--help"]) == 0
            found[path] = capsys.readouterr().out
    return found


def _paths(found: Any, path: str = "") -> Iterator[str]:
    yield path
    for name, inner in getattr(found, "commands", {}).items():
        yield from _paths(inner, f"{path} {name}".strip())


def test_every_help_is_chinese_throughout(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = helps("zh_CN.UTF-8", monkeypatch, capsys)
    assert len(found) > 35
    for path, shown in found.items():
        assert "用法：longhand" in shown
        assert "选项" in shown
        assert "显示这段帮助并退出。" in shown
        # Names and examples are as they are; two English words that follow one another would be a sentence.
        prose = re.sub(r"'[^']*'|\"[^\"]*\"|\{.*?\}|\[.*?\]|longhand [a-z -]+[^│，]*", "", shown)
        assert re.findall(r"(?<![-\w./=])[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}", prose) == [], path


@pytest.mark.parametrize("width", [60, 80])
def test_no_help_in_chinese_loses_its_text_in_a_narrow_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not any("…" in str(entry) for entry in entries("zh", "_help").values())
    found = helps("zh_CN.UTF-8", monkeypatch, capsys, width=width)
    assert {path: shown for path, shown in found.items() if "…" in shown} == {}
    assert all(cell_len(line) <= width for shown in found.values() for line in shown.splitlines())
    assert not any(word in shown for word in ("TEXT", "COLUMN", "<list") for shown in found.values())


def test_a_help_in_chinese_is_as_straight_as_in_english(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for language in ("zh_CN.UTF-8", "C"):
        for path, shown in helps(language, monkeypatch, capsys).items():
            assert {cell_len(line) for line in shown.splitlines() if line[:1] in "╭│╰" and line} <= {100}, path


def test_the_english_words_of_typer_are_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    english = entries("en", "_help")
    named = [name for name in english if name.startswith("typer.") and hasattr(rich_utils, name[6:].upper())]
    assert len(named) == 5
    assert {name: getattr(rich_utils, name[6:].upper()) for name in named} == {name: english[name] for name in named}
    shown = helps("C", monkeypatch, capsys)[""]
    others = ("usage", "options_metavar", "subcommand_metavar", "help_option")
    assert [name for name in others if str(english[f"typer.{name}"]) not in shown] == []


@pytest.mark.parametrize(
    "arguments",
    ["submit", "submit x --temperature 5", "jobs --limit x", "jobs --status nope", "jobs --limit", "jobs --nope",
     "jobss", "jobs extra", "results b", "jobs --limit 0", "nonsense", "results x -o y --format z", "open x",
     "delete job_1", "submit no/file.csv --model m", "retry batch_1 --which none", "submit x"],
)  # fmt: skip
def test_every_usage_error_is_chinese(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_in("zh_CN.UTF-8", monkeypatch)
    assert command.run(arguments.split()) == 2
    said = capsys.readouterr().err
    assert _CHINESE.search(said)
    assert re.findall(r"\b[A-Za-z]+ [a-z]{2,} [a-z]{2,}", said.partition("（用法")[0].replace("longhand", "")) == []


def test_an_error_of_the_api_is_explained_and_then_quoted() -> None:
    fault = {"error": {"code": "upstream_rejected", "message": "no such model"}}
    assert reason(fault) == "upstream_rejected: no such model"
    with speaking("zh"):
        assert reason(fault) == "upstream_rejected：接口拒绝了请求（原文：no such model）"
        assert reason({"error": {"code": "new_code", "message": "what"}}) == "new_code: what"
        assert meaning_of("new_code") == ""
        assert explained(ValueError("what")) == "what"
        said = "LONGHAND_URI is not a setting; did you mean LONGHAND_URL?"
        assert translated(said) == "没有名为 LONGHAND_URI 的设置，您是否想用 LONGHAND_URL？"


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LANG": "zh_CN.GB18030", "PYTHONIOENCODING": "gb18030"},
        {"LANG": "zh_CN.GB2312", "PYTHONIOENCODING": "gb2312"},
        {"LC_ALL": "de_DE.ISO-8859-1", "PYTHONIOENCODING": "latin-1"},
    ],
)
def test_no_encoding_of_a_terminal_makes_the_command_fail(locale: dict[str, str], tmp_path: Path) -> None:
    environ = {**environ_of(tmp_path / "家", {}), "LC_ALL": "", **locale}
    codes = {("--help",): 0, ("settings",): 0, ("settings", "--json"): 0, ("jobs", "茶"): 2}
    for ran in run_each(list(codes), environ, tmp_path):
        assert ran.returncode == codes[tuple(ran.args)], ran.stderr
        assert b"Traceback" not in ran.stderr
        if "--json" in ran.args:
            home = next(one for one in json.loads(ran.stdout) if one["name"] == "LONGHAND_HOME")
            assert os.fsencode(home["value"]) == os.fsencode(tmp_path / "家")


def test_columns_stand_below_one_another_although_a_chinese_character_is_two_cells_wide() -> None:
    job: Any = {**JOB, "usage": {"output_tokens": 7}, "created_at": 0, "model": "MODEL"}
    listed: Any = [{**job, "custom_id": name} for name in ("tea", "茶文化与春节", "e" * 12)]
    written = StringIO()
    with speaking("zh"):
        Console(file=written, width=140).print(jobs_table(listed, wide=True))
    first, *rows = written.getvalue().splitlines()
    assert "状态" in first
    words = zip([first, *rows], ["模型", *["MODEL"] * 3], strict=True)
    places = {cell_len(line[: line.index(word)]) for line, word in words}
    assert len(places) == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_completes_commands_and_explains_them_in_the_spoken_language(shell: str, tmp_path: Path) -> None:
    asked = {
        "COMP_WORDS": "longhand sub", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "longhand sub",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args", "_LONGHAND_COMPLETE": f"complete_{shell}",
    }  # fmt: skip
    ran = longhand(environ=environ_of(tmp_path, {**asked, "LONGHAND_LANG": "zh"}))
    assert "submit" in ran.stdout
    assert shell == "bash" or "提交一个任务" in ran.stdout  # bash shows names alone
    script = longhand(environ=environ_of(tmp_path, {"_LONGHAND_COMPLETE": f"source_{shell}"})).stdout
    assert "longhand" in script

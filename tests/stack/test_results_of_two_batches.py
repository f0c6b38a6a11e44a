"""`longhand results` of two batches into one folder: they are mixed only if you say so, and the same one goes on."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.running_up import environ_of, longhand
from tests.upstream.scripted_upstream import Script, ScriptedUpstream, head


def results_of(*names: str, **fields: object) -> Script:
    """The results of a batch with these articles, whose texts are their names."""
    items = [
        {"id": f"job_{name}", "custom_id": name, "status": "completed", "finish_reason": "stop", "text": name, **fields}
        for name in names
    ]
    return [head(), b"\n".join(json.dumps(item).encode() for item in items)]


def articles_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.md"))


def test_another_batch_is_refused_by_name_and_mixed_only_when_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with ScriptedUpstream(results_of("tea", "ink"), results_of("rain"), results_of("rain")) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})

        def write(batch_id: str, *options: str, language: str = "en") -> subprocess.CompletedProcess[str]:
            return longhand(
                "results", batch_id, "-o", str(folder), *options, environ={**environ, "LONGHAND_LANG": language}
            )

        assert write("batch_1").returncode == 0
        for options in ((), ("--force",), ("--json",)):
            refused = write("batch_2", *options)
            assert (refused.returncode, refused.stdout) == (2, "")
            why = f"nothing was written: {folder} holds the articles of batch_1; name another folder with -o, or add"
            assert f"{why} those of batch_2 with --mix" in refused.stderr
        assert f"{folder} 中已有 batch_1 的文章" in write("batch_2", language="zh").stderr
        assert len(server.exchanges) == 1  # nothing is read for nothing
        assert articles_in(folder) == ["0001-tea.md", "0002-ink.md"]
        assert write("batch_2", "--mix").returncode == 0
        assert articles_in(folder) == ["0001-rain.md", "0001-tea.md", "0002-ink.md"]
        assert write("batch_2").returncode == 0  # it has articles here now
        assert "holds the articles of batch_2;" in write("batch_3").stderr
    assert len(server.exchanges) == 3


def test_mixed_articles_replace_no_file_that_was_there(tmp_path: Path) -> None:
    with ScriptedUpstream(results_of("tea"), results_of("tea", text="another tea")) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        assert longhand("results", "batch_1", "-o", str(tmp_path / "out"), environ=environ).returncode == 0
        refused = longhand("results", "batch_2", "-o", str(tmp_path / "out"), "--mix", environ=environ)
        assert "0001-tea.md exists already, and --force replaces it" in refused.stderr
        assert (tmp_path / "out" / "0001-tea.md").read_text() == "tea"


def test_the_same_batch_goes_on_while_it_runs_and_after_a_retry(tmp_path: Path) -> None:
    failed = results_of("tea", status="failed", text=None, partial_text="te", error={"code": "stall", "message": "no"})
    with ScriptedUpstream(failed, results_of("tea"), results_of("tea")) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        for there in (["0001-tea.partial.md"], ["0001-tea.md"], ["0001-tea.md"]):
            assert longhand("results", "batch_1", "-o", str(tmp_path / "out"), environ=environ).returncode == 0
            assert articles_in(tmp_path / "out") == there


def test_a_folder_whose_articles_are_gone_is_free_and_single_jobs_may_lie_anywhere(tmp_path: Path) -> None:
    job = [head(), json.dumps({"id": "job_9", "custom_id": "bees", "status": "completed"}).encode()]
    text = [head(), b"Bees."]
    with ScriptedUpstream(results_of("tea"), job, text, results_of("rain"), results_of("rain")) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        command = ["results", "-o", str(tmp_path / "out")]
        assert longhand(*command, "batch_1", environ=environ).returncode == 0
        assert longhand(*command, "job_9", environ=environ).returncode == 0
        assert articles_in(tmp_path / "out") == ["0001-bees.md", "0001-tea.md"]
        for article in (tmp_path / "out").glob("*.md"):
            article.unlink()
        assert longhand(*command, "batch_2", environ=environ).returncode == 0
        assert longhand(*command, "batch_2", environ=environ).returncode == 0
        assert (tmp_path / "out" / ".longhand-batches").read_text() == "batch_2\n"


@pytest.mark.parametrize("content", [b"mine", b"\xff"])
def test_a_file_with_the_name_of_longhands_note_that_is_none_stays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".longhand-batches").write_bytes(content)
    with ScriptedUpstream(results_of("tea")) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        assert longhand("results", "batch_1", "-o", str(tmp_path), environ=environ).returncode == 0
    assert (tmp_path / ".longhand-batches").read_bytes() == content
    assert articles_in(tmp_path) == ["0001-tea.md"]


@pytest.mark.parametrize(("answer", "there"), [("y", ["0001-rain.md", "0001-tea.md"]), ("", ["0001-tea.md"])])
def test_a_person_at_a_terminal_is_asked(tmp_path: Path, answer: str, there: list[str]) -> None:
    folder = str(tmp_path / "out")
    with ScriptedUpstream(results_of("tea"), results_of("rain")) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        assert longhand("results", "batch_1", "-o", folder, environ=environ).returncode == 0
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        command = [sys.executable, "-P", "-m", "longhand", "results", "batch_2", "-o", folder]
        ran = subprocess.run(
            command, env=environ, stdin=theirs, capture_output=True, text=True, timeout=60, check=False
        )
        os.close(ours)
        os.close(theirs)
    question = f"{folder} holds the articles of batch_1. Add those of batch_2? [y/N]: "
    assert ran.stderr.startswith(question)
    assert articles_in(tmp_path / "out") == there

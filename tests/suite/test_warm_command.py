"""A command that a warm process forks is like one that is started."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack import warm_command
from tests.stack.running_up import environ_of, processes_in


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["submit", "-", "--model", "m"],
        ["settings"],
        ["no-such-command"],
        ["upstreams", "check", "a.toml"],
    ],
)
def test_it_reads_says_and_ends_alike(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text("x = 'é'\n")
    environ = environ_of(tmp_path, {"LONGHAND_LANG": "zh"})
    assert warm_command.can_run(environ)
    forked = warm_command.run(arguments, environ, "é", 60)
    command = [sys.executable, "-P", "-m", "longhand", *arguments]
    started = subprocess.run(command, env=environ, input="é", capture_output=True, text=True, check=False)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


def test_one_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        warm_command.run(["simulate", "--port", "0"], environ_of(tmp_path, {}), "", 0.5)
    monkeypatch.undo()
    while processes_in(tmp_path):
        pass


def test_what_an_interpreter_reads_at_its_start_needs_a_start(tmp_path: Path) -> None:
    for name in ("LC_ALL", "LANG", "PYTHONIOENCODING"):
        assert not warm_command.can_run(environ_of(tmp_path, {name: "ascii"}))

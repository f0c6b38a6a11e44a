"""The files of a folder of results get their names together, and what is hidden among them first."""

import os
import signal
from pathlib import Path

import pytest

from longhand.cli.new_files import NewFiles, never

NAMES = ("0001-tea.md", "0002-rain.md", ".longhand-batches")


def put_all(folder: Path) -> None:
    with NewFiles(folder) as files:
        for name in NAMES:
            files.write(name, "text")
        files.put(never)


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_ctrl_c_while_files_get_their_names_counts_when_all_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace
    came = 0

    def interrupted(self: Path, target: Path) -> Path:
        nonlocal came
        signal.raise_signal(signal.SIGINT)
        came += 1
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put_all(tmp_path)
    assert (names_in(tmp_path), came) == (sorted(NAMES), 3)
    with pytest.raises(KeyboardInterrupt):  # and the next one counts at once
        signal.raise_signal(signal.SIGINT)


def test_a_ctrl_c_before_any_file_has_its_name_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []

    def interrupted(number: int) -> None:
        flushed.append(number)
        if len(flushed) == len(NAMES):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        put_all(tmp_path)
    assert (names_in(tmp_path), len(flushed)) == ([], len(NAMES))


def test_a_command_that_is_killed_meanwhile_has_noted_whose_the_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace
    put: list[str] = []

    def killed(self: Path, target: Path) -> Path:
        if len(put) == 2:
            raise OSError("killed")
        put.append(target.name)
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(OSError, match="killed"):
        put_all(tmp_path)
    assert put == [".longhand-batches", "0001-tea.md"]
    monkeypatch.undo()
    put_all(tmp_path)  # another call goes on from there
    assert names_in(tmp_path) == sorted(NAMES)

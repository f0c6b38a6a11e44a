"""The files of incomplete texts in a folder, and which of them may go: those that are as Longhand wrote them.

What it wrote stands in a hidden file beside them, by name, with the job and the SHA-256: a text that became whole may
begin otherwise than the incomplete one, which the API then no longer has. A file that is not in it, such as one of an
older version, is known by its content: the text of its job begins so, and nothing is lost with it.
"""

import json
import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from longhand.cli.new_files import NewFiles

ENDING = ".partial.md"
MARKS = ".longhand-partial.json"


class PartialFiles:
    """Those of one folder. Texts are given to `write`; `put_marks` comes after the last of them, and then `remove`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        found = _read_marks(folder / MARKS)
        self._may_mark = found is not None
        self._marks = found or {}
        self._has_changed = False
        self._ours: dict[str, bytes] = {}
        """What was in those that are Longhand's own. Who edits one meanwhile has made another file of it."""
        self._to_remove: list[str] = []

    def write(self, files: NewFiles, name: str, job_id: str, text: str) -> Path:
        """Write an incomplete text; the path that it will have."""
        self._is_ours(name, job_id, text.encode())
        self._mark(name, {"job": job_id, "sha256": sha256(text.encode()).hexdigest()})
        return files.write(name, text)

    def replaced_by(self, job_id: str, text: str, names: Iterable[str]) -> list[Path]:
        """A job's text has become whole, and earlier ones may lie under these names, or under those of the marks. Those
        that are Longhand's own are to go; the others are returned.
        """
        marked = [name for name, mark in self._marks.items() if mark["job"] == job_id]
        there: list[str] = []
        for name in dict.fromkeys([*names, *marked]):
            if os.path.lexists(self._folder / name):
                there.append(name)
            else:
                self._mark(name, None)
        ours = [name for name in there if self._is_ours(name, job_id, text.encode())]
        self._to_remove += ours
        return [self._folder / name for name in there if name not in ours]

    def may_replace(self, name: str) -> bool:
        """Whether the file of this name that is there is Longhand's own."""
        return name == MARKS or self._is_unchanged(name)

    def put_marks(self, files: NewFiles) -> None:
        """Write down what is there now, if that has changed."""
        for name in self._to_remove:
            self._mark(name, None)
        if self._marks and self._has_changed:
            files.write(MARKS, json.dumps(self._marks, indent=1, ensure_ascii=False) + "\n")

    def remove(self) -> list[Path]:
        """Remove what whole texts have replaced. What somebody has edited meanwhile is left, and returned."""
        left = []
        for name in dict.fromkeys(self._to_remove):
            if self._is_unchanged(name):
                (self._folder / name).unlink(missing_ok=True)
            elif os.path.lexists(self._folder / name):
                left.append(self._folder / name)
        if not self._marks and self._has_changed:
            (self._folder / MARKS).unlink(missing_ok=True)
        return left

    def _is_ours(self, name: str, job_id: str, text: bytes) -> bool:
        file = self._folder / name
        if file.is_symlink() or not file.is_file():
            return False
        content = file.read_bytes()
        mark = self._marks.get(name)
        marked = mark is not None and mark == {"job": job_id, "sha256": sha256(content).hexdigest()}
        if marked or (content and text.startswith(content)):
            self._ours[name] = sha256(content).digest()
            return True
        return False

    def _is_unchanged(self, name: str) -> bool:
        file = self._folder / name
        is_file = file.is_file() and not file.is_symlink()
        return is_file and self._ours.get(name) == sha256(file.read_bytes()).digest()

    def _mark(self, name: str, mark: dict[str, str] | None) -> None:
        if not self._may_mark or self._marks.get(name) == mark:
            return
        self._has_changed = True
        if mark is None:
            del self._marks[name]
        else:
            self._marks[name] = mark


def _read_marks(file: Path) -> dict[str, dict[str, str]] | None:
    """What the hidden file says; None if it is none of Longhand's: then it is left alone."""
    try:
        marks: Any = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(marks, dict) or not all(_is_mark(name, mark) for name, mark in marks.items()):
        return None
    return marks


def _is_mark(name: str, mark: Any) -> bool:
    is_name = name.endswith(ENDING) and Path(name).name == name
    return is_name and isinstance(mark, dict) and set(mark) == {"job", "sha256"}

"""Files that get their names only when all of each is on the disk, and that replace others only if they may."""

import filecmp
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from longhand.client.errors import InputError
from longhand.words.catalogue import t

MayReplace = Callable[[Sequence[Path]], bool]
"""Whether these files, which have another content, may be replaced."""


def never(_: Sequence[object]) -> bool:
    return False


def refuse_unless(may_replace: MayReplace, files: Sequence[Path]) -> None:
    """Raises `InputError` if there are files that must not be replaced."""
    if files and not may_replace(files):
        raise InputError(t("results.exists", count=len(files), first=files[0]))


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and those that it is in, if they are missing; what was made and stays empty is removed again."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # the first that is not empty
            for one in missing:
                one.rmdir()


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """A Ctrl-C that comes within the block counts after it."""
    if threading.current_thread() is not threading.main_thread():  # it never comes here
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


class NewFiles:
    """Files for one folder. They are written into a hidden folder in it, and `put` gives them their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._beside = Path(tempfile.mkdtemp(dir=folder, prefix=".longhand-"))
        self._names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        shutil.rmtree(self._beside, ignore_errors=True)

    def open(self, name: str) -> IO[bytes]:
        """A new file, to be closed by the caller."""
        self._names.append(name)
        return (self._beside / name).open("wb")

    def write(self, name: str, text: str) -> Path:
        """A whole file; the path that it will have."""
        with self.open(name) as file:
            file.write(text.encode())
        return self._folder / name

    def put(self, may_replace: MayReplace, replaceable: Callable[[str], bool] = lambda _: False) -> None:
        """Give all files their names. Raises `InputError`, with nothing put, if one would replace another that it may
        not. One with the same content is no other; those whose names are `replaceable` always may be replaced.
        """
        others = [self._folder / name for name in self._names if not replaceable(name) and self._is_other(name)]
        refuse_unless(may_replace, others)
        for name in self._names:
            with (self._beside / name).open("rb") as file:
                os.fsync(file.fileno())
        # What is hidden says whose the others are: if this process is killed meanwhile, it is there.
        with _interrupted_later():
            for name in sorted(self._names, key=lambda name: not name.startswith(".")):
                (self._beside / name).replace(self._folder / name)

    def _is_other(self, name: str) -> bool:
        there = self._folder / name
        return os.path.lexists(there) and not (there.is_file() and filecmp.cmp(self._beside / name, there, False))

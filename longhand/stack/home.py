"""The home: the folder of a local stack, open to its owner alone and to one stack at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from longhand.client.connection import url_file
from longhand.client.errors import StackError
from longhand.words.catalogue import t, translated


@contextmanager
def locked_home(home: Path) -> Iterator[Path]:
    """Make the home and hold its lock; yields its absolute path. Raises `StackError` if another stack runs in it.

    The kernel keeps the lock, so it disappears with the process that holds it, however that ends.
    """
    home = home.absolute()
    try:
        for folder in (home, home / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StackError(t("up.home_unusable", home=home, why=translated(str(error.strerror)))) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.read(descriptor, 20).decode(errors="replace").strip()
            raise StackError(t("up.home_taken", pid=pid or t("up.unknown"), home=home)) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        try:
            yield home
        finally:
            url_file(home).unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def is_held(home: Path) -> bool:
    """Whether a stack runs in this home, or is starting or ending."""
    try:
        if not _is_alive((home / "lock").read_text()):
            return False
        descriptor = os.open(home / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Only where the process that the file names is alive: else this would keep a stack from starting just now.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (OSError, ValueError, OverflowError):
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, even if it existed before."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


def write_url(home: Path, url: str) -> None:
    """Let the commands and clients of this folder find the stack; the file goes when the home is given back."""
    write_private(url_file(home), f"{url}\n{os.getpid()}\n")

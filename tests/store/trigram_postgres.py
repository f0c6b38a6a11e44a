"""A PostgreSQL server out of the machine's own packages: the wheel that the other tests use has no `pg_trgm`."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from tests.postgres import PostgresServer, buried_with_us, with_template
from tests.sparing import folder_in_memory


def find_trigram_postgres() -> Path | None:
    """The folder of the programs of the newest installed PostgreSQL that has `pg_trgm`, or None."""
    for config in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True):
        version = config.parent.parent.name
        if Path(f"/usr/share/postgresql/{version}/extension/pg_trgm.control").exists():
            return config.parent
    return None


@contextmanager
def running_postgres(programs: Path) -> Iterator[PostgresServer]:
    """A fresh server with a migrated database to copy. It listens on a Unix socket only and keeps nothing."""
    directory = folder_in_memory("longhand-trgm-")
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL does not run as root
    if user is not None:
        shutil.chown(directory, user)
    folder = directory / "server"

    def run(program: str, *arguments: str) -> None:
        # Its output goes nowhere: a server that was started keeps the pipes open.
        command = [str(programs / program), "--pgdata", str(folder), *arguments]
        subprocess.run(command, check=True, user=user, cwd=directory, stdout=subprocess.DEVNULL)

    try:
        run("initdb", "--username=longhand", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={directory} -c fsync=off"
        run("pg_ctl", "start", "--wait", "--silent", f"--log={directory}/log", f"--options={options}")
        try:
            pid, query = int((folder / "postmaster.pid").read_text().split()[0]), {"host": str(directory)}
            url = URL.create("postgresql+psycopg", username="longhand", database="postgres", query=query)
            with buried_with_us(pid, "QUIT", directory), with_template(url) as started:
                yield started
        finally:
            run("pg_ctl", "stop", "--mode=immediate", "--silent")
    finally:
        shutil.rmtree(directory, ignore_errors=True)

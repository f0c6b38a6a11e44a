"""A process over other tables than its own version's does not begin, and says in one line what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

import migrations
from jobs.store.database import Database, open_database
from jobs.store.revision import REVISION, RevisionError, check_revision
from migrations import migrate
from tests.conftest import free_port

UPSTREAM = "http://127.0.0.1:1/v1"


def set_revision(database: Database, revision: str) -> None:
    """As an older or a newer version would have left it."""
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})


def end_of(*arguments: str, database_url: str, home: Path) -> "subprocess.CompletedProcess[str]":
    """Start a service that is to end by itself; what it said and its exit code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LONGHAND_", "OPENAI_"))}
    settings = {
        "LONGHAND_HOME": str(home),
        "LONGHAND_DATABASE_URL": database_url,
        "LONGHAND_REDIS_URL": f"redis://127.0.0.1:{free_port()}",
        "LONGHAND_UPSTREAM_URL": UPSTREAM,
    }
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, env=kept | settings, capture_output=True, text=True, timeout=60, check=False)


def test_the_revision_that_is_asked_for_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("0000", f"is at revision 0000, and this version needs {REVISION}: run `longhand migrate` first"),
        ("9999", f"is at revision 9999, and this version knows no later one than {REVISION}: start the version"),
    ],
)
def test_another_revision_is_refused_and_the_right_one_passes(
    database: Database, database_url: str, revision: str, said: str
) -> None:
    set_revision(database, revision)
    with pytest.raises(RevisionError, match=said):
        check_revision(database_url)
    set_revision(database, REVISION)
    check_revision(database_url)


def test_a_database_without_tables_is_refused_until_it_is_migrated(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    with pytest.raises(RevisionError, match=r"new\.db has no tables of Longhand yet: run `longhand migrate` first"):
        check_revision(url)
    migrate(url)
    check_revision(url)


def test_a_database_that_is_away_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    check_revision(f"postgresql+psycopg://somebody:canary@127.0.0.1:{free_port()}/longhand")
    assert "the database is away, its revision is not known" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("arguments", "before"),
    [
        (("worker",), ""),
        (("longhand", "api", "--port", "0"), "longhand: "),
    ],
)
def test_a_service_over_a_database_without_tables_ends_with_one_line(
    tmp_path: Path, arguments: tuple[str, ...], before: str
) -> None:
    path = tmp_path / "new.db"
    ended = end_of(*arguments, database_url=f"sqlite:///{path}", home=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"{before}the database {path} has no tables of Longhand yet: run `longhand migrate` first\n"
    )


def test_a_worker_over_a_newer_postgresql_database_ends_with_one_line(postgres_url: str, tmp_path: Path) -> None:
    check_revision(postgres_url)
    database = open_database(postgres_url)
    try:
        set_revision(database, "9999")
    finally:
        database.close()
    ended = end_of("worker", database_url=postgres_url, home=tmp_path)
    assert ended.returncode == 1
    assert "is at revision 9999" in ended.stderr
    assert ended.stderr.count("\n") == 1

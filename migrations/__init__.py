"""The database's history. `migrate(url)` brings any database, also an empty one, to the newest revision."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def migrate(url: str) -> None:
    """Bring the database at a SQLAlchemy URL to the newest revision.

    Safe to run from several processes at once: on PostgreSQL an advisory lock, on SQLite the write lock keeps turns.
    Works from an installed package: the scripts are found beside this file.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["url"] = url
    command.upgrade(config, "head")

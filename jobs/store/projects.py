"""What an operator has said of a project: how long what has ended in it is kept."""

from dataclasses import dataclass

from sqlalchemy import Label, Table, select, union

from jobs.store.database import Database, insert_into
from jobs.tables import DEFAULT_PROJECT, api_keys, projects


@dataclass(frozen=True, slots=True)
class Project:
    """A project, and how long ended jobs, batches and uploads of it are kept that say nothing themselves."""

    name: str
    keep_seconds: int | None
    """None: until somebody deletes them."""


def keep_seconds_of(table: Table) -> Label[int | None]:
    """What the project of each row says: a column for a statement that reads `jobs`, `batches` or `files`."""
    keep_seconds = select(projects.c.keep_seconds).where(projects.c.name == table.c.project)
    return keep_seconds.scalar_subquery().label("project_keep_seconds")


def read_limited(database: Database) -> list[tuple[str, int]]:
    """The projects that do not keep everything, and for how many seconds they keep it."""
    limited = select(projects.c.name, projects.c.keep_seconds).where(projects.c.keep_seconds.is_not(None))
    with database.read() as connection:
        return [(row.name, row.keep_seconds) for row in connection.execute(limited.order_by(projects.c.name))]


def list_projects(database: Database) -> list[Project]:
    """The default project, those that have or had a key, and those of which something was said, by name."""
    with database.read() as connection:
        names = set(connection.scalars(union(select(api_keys.c.project), select(projects.c.name))))
        keep_seconds = {row.name: row.keep_seconds for row in connection.execute(select(projects))}
    return [Project(name, keep_seconds.get(name)) for name in sorted(names | {DEFAULT_PROJECT})]


def set_keep_seconds(database: Database, project: str, seconds: int | None) -> Project:
    """Say how long a project keeps what has ended. It holds for what is there already, too."""
    with database.write() as connection:
        row = insert_into(connection, projects).values(name=project, keep_seconds=seconds)
        connection.execute(row.on_conflict_do_update(index_elements=[projects.c.name], set_={"keep_seconds": seconds}))
    return Project(project, seconds)

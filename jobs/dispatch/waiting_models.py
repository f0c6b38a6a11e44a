"""Which projects wait for which models. Clients may name any number of models, so no round reads them all."""

from functools import cache

from sqlalchemy import Connection, TextClause, text

MOST_WALKED = 1000
"""With more models than that, of all projects, each project is looked at apart."""

_WAITING = """
    WITH RECURSIVE
    m(model, number) AS (
        SELECT (SELECT min(model) FROM jobs{waiting} WHERE status = 'queued'), 1
        UNION ALL
        SELECT (SELECT min(model) FROM jobs{waiting} WHERE status = 'queued' AND model > m.model), number + 1
        FROM m WHERE model IS NOT NULL AND number < :most
    ),
    p(model, project) AS (
        SELECT model, (SELECT min(project) FROM jobs{waiting} WHERE status = 'queued' AND jobs.model = m.model)
        FROM m WHERE model IS NOT NULL
        UNION ALL
        SELECT model, (
            SELECT min(project) FROM jobs{waiting}
            WHERE status = 'queued' AND jobs.model = p.model AND project > p.project
        ) FROM p WHERE project IS NOT NULL
    )
    SELECT model, project FROM p WHERE project IS NOT NULL
"""
"""Jumps in `jobs_waiting` from each model and project to the next, so a million queued jobs cost as little as ten."""

_PROJECTS = """
    WITH RECURSIVE p(project) AS (
        SELECT min(project) FROM jobs
        UNION ALL
        SELECT (SELECT min(project) FROM jobs WHERE project > p.project) FROM p WHERE project IS NOT NULL
    )
    SELECT project FROM p
    WHERE project IS NOT NULL
    AND EXISTS (SELECT 1 FROM jobs{of_status} WHERE jobs.project = p.project AND status = 'queued')
"""

_OF_PROJECT = """
    WITH RECURSIVE m(model, number) AS (
        SELECT (SELECT min(model) FROM jobs{of_model} WHERE project = :project AND model > :after), 1
        UNION ALL
        SELECT (SELECT min(model) FROM jobs{of_model} WHERE project = :project AND model > m.model), number + 1
        FROM m WHERE model IS NOT NULL AND number < :most
    )
    SELECT model, EXISTS (
        SELECT 1 FROM jobs{waiting} WHERE status = 'queued' AND jobs.model = m.model AND project = :project
    ) FROM m WHERE model IS NOT NULL
"""
"""Jumps over all models that the project has ever used: there is no index of those that wait, by project."""


class WaitingModels:
    """The models that a round looks at. Of a project with very many, each round goes on where the one before ended."""

    def __init__(self, most_of_project: int) -> None:
        self._most_of_project = most_of_project
        self._places: dict[str, str] = {}
        self.has_more = False
        """Whether the last look has left models out."""

    def find(self, connection: Connection) -> dict[str, list[str]]:
        """The projects that have queued jobs, by model; not all of them need be due."""
        waiting = find_waiting(connection, MOST_WALKED + 1)
        self.has_more = len(waiting) > MOST_WALKED
        if not self.has_more:
            self._places.clear()
            return waiting
        waiting = {}
        for project in connection.scalars(_statement(_PROJECTS, connection)).all():
            after = self._places.get(project, "")
            models, last = find_waiting_of(connection, project, after, self._most_of_project)
            self._places[project] = last
            for model in models:
                waiting.setdefault(model, []).append(project)
        return waiting


def find_waiting(connection: Connection, most: int) -> dict[str, list[str]]:
    """The projects that have queued jobs, for each of the first so many models."""
    waiting: dict[str, list[str]] = {}
    for model, project in connection.execute(_statement(_WAITING, connection), {"most": most}):
        waiting.setdefault(model, []).append(project)
    return waiting


def find_waiting_of(connection: Connection, project: str, after: str, most: int) -> tuple[list[str], str]:
    """Those of so many models of a project that have queued jobs, and behind which model to go on: "" at the end."""
    asked = {"project": project, "after": after, "most": most}
    rows = connection.execute(_statement(_OF_PROJECT, connection), asked).all()
    return [model for model, waits in rows if waits], rows[-1][0] if len(rows) == most else ""


def _statement(words: str, connection: Connection) -> TextClause:
    return _built(words, is_sqlite=connection.dialect.name == "sqlite")


@cache
def _built(words: str, *, is_sqlite: bool) -> TextClause:
    indexes = {"waiting": "jobs_waiting", "of_model": "jobs_by_model", "of_status": "jobs_by_status"}
    return text(words.format(**{name: f" INDEXED BY {index}" if is_sqlite else "" for name, index in indexes.items()}))

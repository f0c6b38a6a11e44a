"""Which projects go before those that were refused."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from jobs.dispatch.due import RUNNING, using
from jobs.pace.state import State
from jobs.tables import jobs


def find_groups(
    connection: Connection, key: tuple[str, str], state: State, projects: Sequence[str], now: float
) -> list[Sequence[str]]:
    """These projects, and before them those that go first because others were refused in this lane: the next group
    is for where the first has no job that is due. First is rather the project that has most texts there, as its answer
    says whose limit it was: one without any, or with one, may be refused for itself, too.
    """
    refused, is_open = state.behind(now)
    others = [project for project in projects if project not in refused]
    if not others or len(others) == len(projects):
        return [projects] if projects else []
    if not is_open or len(others) == 1:
        return [others, projects]
    of_lane = RUNNING, jobs.c.upstream == key[0], jobs.c.model == key[1], jobs.c.project.in_(others)
    counts = select(jobs.c.project, func.count()).where(*of_lane).with_hint(jobs, **using("jobs_running"))
    texts: dict[str, int] = dict(connection.execute(counts.group_by(jobs.c.project)).all())
    most = max(others, key=lambda project: texts.get(project, 0))
    return [[most], others, projects] if texts else [others, projects]

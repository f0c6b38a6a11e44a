"""The upstreams, as a caller may see them."""

from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, exists, select

from api.callers.caller import Caller, is_operator
from api.forms.upstreams import upstream_json
from api.services import Services
from jobs.dispatch.refused_lately import RefusedLately, read_refused_lately
from jobs.dispatch.upstream_states import UpstreamState, read_upstream_states
from jobs.store.database import Database
from jobs.tables import jobs


def upstreams_json(services: Services, caller: Caller, *, with_states: bool = True) -> dict[str, Any]:
    """All of them in the order of their file, and what is wrong with the file; without the states, as while the
    database is away, only what is declared. A project sees the models of its own jobs: other names may tell of others'
    work.
    """
    specs = services.upstreams.current().specs
    operator = is_operator(caller)
    states: dict[str, UpstreamState] = {}
    refused: dict[str, RefusedLately] = {}
    if with_states:
        states = read_upstream_states(services.database, specs, services.settings.hint_seconds)
        refused = read_refused_lately(services.database, None if operator else caller.project)
    shown = [
        upstream_json(spec, states.get(spec.name), refused.get(spec.name), with_messages=operator) for spec in specs
    ]
    if not operator:
        named = {lane["model"] for upstream in shown for lane in upstream["in_use"] or ()}
        own = _models_of(services.database, caller.project, named)
        for upstream in shown:
            lanes = upstream["in_use"]
            upstream["in_use"] = lanes and [lane for lane in lanes if lane["model"] in own]
    return {"data": shown, "file_mistakes": [mistake.as_json() for mistake in services.upstreams.mistakes]}


def _models_of(database: Database, project: str, named: set[str]) -> set[str]:
    """Those of these models of which the project has a job; one look into an index for each."""
    with database.read() as connection:
        return {model for model in named if connection.scalar(_has_job(), {"of_project": project, "of_model": model})}


@cache
def _has_job() -> Select[Any]:
    return select(exists().where(jobs.c.project == bindparam("of_project"), jobs.c.model == bindparam("of_model")))

"""The upstreams: what is declared of each, and how it is doing."""

from fastapi import APIRouter
from starlette.responses import Response

from api.callers.caller import CallerDep, is_operator
from api.forms.upstreams import upstream_json
from api.http.errors import JsonAnswer
from api.http.parameters import STRICT_QUERY
from api.schemas.errors import ERROR_RESPONSES
from api.schemas.upstreams import UpstreamList
from api.services import ServicesDep
from jobs.dispatch.upstream_states import read_upstream_states
from jobs.upstreams.states import view_upstreams

routes = APIRouter(prefix="/v1", tags=["upstreams"], dependencies=STRICT_QUERY, responses=ERROR_RESPONSES)


@routes.get("/upstreams", responses={200: {"model": UpstreamList}})
def get_upstreams(services: ServicesDep, caller: CallerDep) -> Response:
    """List the upstreams in the order of their file, with their limits and what is known of their state."""
    upstreams = services.upstreams.current()
    states = read_upstream_states(services.database, upstreams.specs, services.settings.hint_seconds)
    views = view_upstreams(upstreams.specs, states)
    operator = is_operator(caller)
    return JsonAnswer(
        {
            "object": "list",
            "data": [upstream_json(view, with_messages=operator) for view in views],
            "file_mistakes": [mistake.as_json() for mistake in services.upstreams.mistakes],
        }
    )

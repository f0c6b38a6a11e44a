"""The upstreams: what is declared of each, and how it is doing."""

from starlette.responses import Response

from api.callers.caller import CallerDep
from api.http.errors import JsonAnswer
from api.http.parameters import v1_routes
from api.schemas.upstreams import UpstreamList
from api.services import ServicesDep, reading
from api.upstream_views import upstreams_json

routes = v1_routes("upstreams")


@routes.get("/upstreams", responses={200: {"model": UpstreamList}})
@reading
def get_upstreams(services: ServicesDep, caller: CallerDep) -> Response:
    """List the upstreams in the order of their file, with their limits and what is known of their state. Keys
    of `default` see `in_use` for all models. Other keys see it only for the models that their own jobs use.
    """
    return JsonAnswer({"object": "list", **upstreams_json(services, caller)})

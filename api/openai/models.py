"""The models of all upstreams, in one list."""

from starlette.responses import Response

from api.callers.caller import CallerDep
from api.http.errors import JsonAnswer
from api.http.parameters import v1_routes
from api.services import ServicesDep

routes = v1_routes("openai")


@routes.get("/models")
async def get_models(services: ServicesDep, caller: CallerDep) -> Response:
    """The upstream's list of models, up to half a minute old."""
    listed = await services.models.read_list()
    return Response(listed.content, media_type="application/json")


@routes.get("/models/{model:path}")
async def get_model(services: ServicesDep, caller: CallerDep, model: str) -> Response:
    """What the upstream says of one model."""
    return JsonAnswer(await services.models.read_one(model))

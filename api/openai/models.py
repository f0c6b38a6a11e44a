"""The upstream's models, passed through."""

from fastapi import APIRouter
from starlette.responses import Response

from api.callers.caller import CallerDep
from api.http.errors import JsonAnswer
from api.http.parameters import STRICT_QUERY
from api.schemas.errors import ERROR_RESPONSES
from api.services import ServicesDep

routes = APIRouter(prefix="/v1", tags=["openai"], dependencies=STRICT_QUERY, responses=ERROR_RESPONSES)


@routes.get("/models")
async def get_models(services: ServicesDep, caller: CallerDep) -> Response:
    """The upstream's list of models, up to half a minute old."""
    return JsonAnswer(await services.models.read_list())


@routes.get("/models/{model:path}")
async def get_model(services: ServicesDep, caller: CallerDep, model: str) -> Response:
    """What the upstream says of one model."""
    return JsonAnswer(await services.models.read_one(model))

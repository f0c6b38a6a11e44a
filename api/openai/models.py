"""The upstream's models, passed through."""

from fastapi import APIRouter
from starlette.responses import Response

from api.callers.caller import Calling
from api.http.errors import JsonAnswer
from api.http.parameters import STRICT
from api.schemas.errors import REFUSALS
from api.services import Given

routes = APIRouter(prefix="/v1", tags=["openai"], dependencies=STRICT, responses=REFUSALS)


@routes.get("/models")
async def get_models(parts: Given, caller: Calling) -> Response:
    """The upstream's list of models, up to half a minute old."""
    return JsonAnswer(await parts.models.read_list())


@routes.get("/models/{model:path}")
async def get_model(parts: Given, caller: Calling, model: str) -> Response:
    """What the upstream says of one model."""
    return JsonAnswer(await parts.models.read_one(model))

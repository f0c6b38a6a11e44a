"""Who the caller is."""

from starlette.responses import Response

from api.callers.caller import CallerDep, is_operator
from api.http.errors import JsonAnswer
from api.http.parameters import v1_routes
from api.schemas.status import MeObject
from api.services import ServicesDep

routes = v1_routes("status")


@routes.get("/me", responses={200: {"model": MeObject}})
async def get_me(services: ServicesDep, caller: CallerDep) -> Response:
    """Who you are: your project, and the key that you sent. `key` is null while there is no key and programs on this
    machine are served.
    """
    key = await services.keyring.find_by_id(caller.key_id) if caller.key_id else None
    shown = key and {"id": key.id, "prefix": key.prefix, "name": key.name, "created_at": key.created_at.timestamp()}
    me = {"object": "me", "project": caller.project, "is_operator": is_operator(caller), "key": shown}
    return JsonAnswer(me, headers={"cache-control": "no-store"})

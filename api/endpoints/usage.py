"""What a project has used and what that cost."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from api.callers.caller import CallerDep
from api.forms.costs import cost_json
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import read_time, v1_routes
from api.schemas.costs import ProjectUsage
from api.services import ServicesDep, reading
from jobs.store.costs import ModelUsage, add_costs, read_project_usage

routes = v1_routes("query")

_DEFAULT = timedelta(days=30)


@routes.get("/usage", responses={200: {"model": ProjectUsage}})
@reading
def get_usage(
    services: ServicesDep,
    caller: CallerDep,
    from_: Annotated[
        str | None,
        Query(alias="from", description="Unix seconds or ISO 8601; default: 30 days before the end."),
    ] = None,
    to: Annotated[str | None, Query(description="The end, which is not included; default: now.")] = None,
) -> Response:
    """Tokens and costs of your project by model and upstream, of all attempts that ended in this time."""
    end = read_time(to, "to") or services.database.now()
    begin = read_time(from_, "from") or end - _DEFAULT
    if begin >= end:
        raise ApiError(400, "invalid_value", "from: must be before `to`", param="from")
    return JsonAnswer(
        _usage_json(caller.project, begin, end, read_project_usage(services.database, caller.project, begin, end))
    )


def _usage_json(project: str, begin: datetime, end: datetime, used: list[ModelUsage]) -> dict[str, Any]:
    return {
        "object": "usage",
        "project": project,
        "from": begin.timestamp(),
        "to": end.timestamp(),
        "data": [
            {
                "model": usage.model,
                "upstream": usage.upstream,
                "attempts": usage.attempts,
                **usage.tokens,
                "unknown_usage_attempts": usage.unknown,
                **cost_json(usage.cost),
            }
            for usage in used
        ],
        **cost_json(add_costs(usage.cost for usage in used)),
    }

"""A job's text while it is written, as server-sent events."""

from functools import partial
from typing import Annotated

from fastapi import Header, Query
from starlette.responses import Response

from api.callers.watch_tokens import WatcherDep
from api.http.errors import ApiError
from api.http.event_stream import EventStream
from api.http.parameters import JobId, v1_routes
from api.services import ServicesDep, require_open
from api.waiting import job_hold_json
from api.watching.job_cursor import read_cursor
from api.watching.job_hold import JobHold
from api.watching.job_watch import Watch

routes = v1_routes("watch")


@routes.get(
    "/jobs/{job_id}/events",
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {}}},
        204: {"description": "This client has had the last event: nothing more will come."},
    },
)
async def get_events(
    services: ServicesDep,
    caller: WatcherDep,
    job_id: JobId,
    header: Annotated[str | None, Header(alias="Last-Event-ID", description="The id of the last event seen.")] = None,
    last_event_id: Annotated[str | None, Query(description="The same, for clients that cannot set a header.")] = None,
) -> Response:
    """Watch a job. Events:

    - `status`: the job without its text; first of all, and when its status changes.
    - `hold`: `{"hold"}`, what keeps the queued job from starting; with null once nothing does.
    - `delta`: `{"attempt", "offset", "text"}`, the next piece of the text. `offset` counts UTF-8 bytes.
    - `reasoning`: the same for what the model thinks while it writes. `offset` counts the bytes of the reasoning; an
      event at offset 0, which may be empty, begins it anew.
    - `reset`: `{"attempt"}`, text and reasoning begin anew: forget what came before.
    - `done`: the job as it has ended, with `bytes` and `sha256` of the text and of `reasoning`; the last event.

    The texts of the deltas since the last `reset`, joined, are always the text so far. Every event's id is a cursor: a
    client that comes back with it as `Last-Event-ID` goes on there with no byte lost or doubled.
    """
    cursor = read_cursor(header or last_event_id)
    job = await services.rows.read(job_id)
    if job is None or job.project != caller.project:
        raise ApiError.not_found("job", job_id)
    if cursor.tells_end_of(job):
        return Response(status_code=204)
    require_open(services)
    hold = JobHold(services.watch_reads, partial(job_hold_json, services, caller, job_id))
    watch = Watch(services.watch_reads, services.hub, services.tails, services.rows, job_id, cursor, hold)
    return EventStream(watch, slot=services.watch_limiter.take(caller.project, caller.key_id, watch))

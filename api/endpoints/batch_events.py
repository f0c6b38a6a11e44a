"""A batch while it runs, as server-sent events."""

from functools import partial
from typing import Annotated, Literal

from fastapi import Header, Query
from starlette.responses import Response

from api.callers.watch_tokens import WatcherDep
from api.finding import find_batch
from api.http.event_stream import EventStream
from api.http.parameters import BatchId, v1_routes
from api.services import ServicesDep, require_open
from api.waiting import batch_hold_json
from api.watching.batch_cursor import BatchCursor, read_batch_cursor
from api.watching.batch_watch import BatchWatch

routes = v1_routes("watch")


@routes.get(
    "/batches/{batch_id}/events",
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {}}},
        204: {"description": "This client has had the last event: nothing more will come, unless by a retry."},
    },
)
async def get_batch_events(
    services: ServicesDep,
    caller: WatcherDep,
    batch_id: BatchId,
    deltas: Annotated[bool, Query(description="Also the text of every job.")] = False,
    texts: Annotated[
        Literal["all", "running"],
        Query(description="`running`: not the texts of jobs that had ended before this connection began."),
    ] = "all",
    header: Annotated[str | None, Header(alias="Last-Event-ID", description="The id of the last event seen.")] = None,
    last_event_id: Annotated[str | None, Query(description="The same, for clients that cannot set a header.")] = None,
) -> Response:
    """Watch a batch. Events:

    - `batch`: the batch, with its `hold` while it has one; first of all, and when its status or its hold changes.
    - `jobs`: `{"jobs": [...]}`, jobs without request and text, with `index`, their place in the batch from 0. First
      every job in input order, in several events; then each job whose status or attempt has changed. A client that
      comes back is shown only what it may not know.
    - `progress`: `{"status", "request_counts", "usage"}`, when they have changed, at most twice a second.
    - `deltas`, with `deltas=true`: `{"deltas": [{"id", "attempt", "offset", "text"}, ...]}`, the next pieces of text.
      That of a job which had ended already comes before its first `jobs` entry.
    - `reset`, with `deltas=true`: `{"id", "attempt"}`, the text of this job begins anew: forget what came before.
    - `done`: the batch as it has ended; the last event.

    The texts of a job's deltas since its last `reset`, joined, are always its text so far, and the stored text when its
    entry with `bytes` and `sha256` comes. Every event's id is a cursor over all jobs: a client that comes back with it
    as `Last-Event-ID` goes on there with no byte lost or doubled.
    """
    came = read_batch_cursor(header or last_event_id)
    batch = await services.reads.run(find_batch, services, caller, batch_id)
    only_running = deltas and texts == "running"
    if came is None:
        cursor = BatchCursor(deltas=deltas, only_running=only_running)
    elif (came.deltas, came.only_running) != (deltas, only_running):
        # Its id says nothing of what this client has: tell all, and void what there may be.
        cursor = BatchCursor(deltas=deltas, only_running=only_running, known=0)
    else:
        cursor = came
        if cursor.done and batch.is_final and cursor.opened_at == batch.opened_at_ms:
            return Response(status_code=204)
    require_open(services)
    cursor.done = False
    cursor.opened_at = batch.opened_at_ms
    read_hold = partial(batch_hold_json, services, caller)
    watch = BatchWatch(services.watch_reads, services.hub, services.tails, services.listings, batch, cursor, read_hold)
    return EventStream(watch, slot=services.watch_limiter.take(caller.project, caller.key_id, watch))

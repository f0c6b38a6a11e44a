"""Pause and resume: a batch, a model, an upstream or a project. What is held stays queued, and is not charged."""

from typing import Annotated, Any

from fastapi import Path
from starlette.responses import Response

from api.callers.caller import Caller, CallerDep, is_operator
from api.finding import find_batch
from api.http.errors import ApiError, JsonAnswer
from api.http.parameters import BatchId, v1_routes
from api.http.request_bodies import request_body
from api.schemas.upstreams import HeldObject
from api.services import Services, ServicesDep, writing
from api.submitting.bodies import NO_BODY, SmallBody, read_known_fields, read_value
from api.submitting.fields import check_text, invalid
from api.waiting import caller_hold_json
from jobs.dispatch.holds import HoldKind, pause, read_holds, resume
from jobs.model.status import BatchStatus

RELEASE, CONTINUE = "release", "continue"

_FIELDS = {
    "running": {
        "type": "string",
        "enum": [CONTINUE, RELEASE],
        "default": CONTINUE,
        "description": "What becomes of jobs that run: they go on, or go back to the queue, as no failed attempt.",
    },
    "message": {"type": "string", "maxLength": 200, "description": "Why; shown wherever the hold is."},
}
_BODY = {"type": "object", "additionalProperties": False, "properties": _FIELDS}
_PAUSE: dict[str, Any] = {
    "responses": {200: {"model": HeldObject}},
    "openapi_extra": request_body(_BODY, required=False),
}
_RESUME: dict[str, Any] = {"responses": {200: {"model": HeldObject}}, "dependencies": [NO_BODY]}

ModelName = Annotated[str, Path(description="A model as jobs name it; it may hold slashes.")]
UpstreamName = Annotated[str, Path(description="The name of an upstream.")]
ProjectName = Annotated[str, Path(description="The name of a project.")]

routes = v1_routes("holds")


@routes.post("/batches/{batch_id}/pause", **_PAUSE)
@writing
def post_pause_batch(services: ServicesDep, caller: CallerDep, batch_id: BatchId, body: SmallBody) -> Response:
    """Start no more jobs of a batch until it is resumed. Its deadline goes on. 409 when the batch has ended."""
    batch = find_batch(services, caller, batch_id)
    if batch.status is not BatchStatus.IN_PROGRESS:
        raise ApiError(409, "not_running", f"the batch is {batch.status}: there is nothing to pause")
    return _pause(services, caller, HoldKind.BATCH, batch_id, body)


@routes.post("/batches/{batch_id}/resume", **_RESUME)
@writing
def post_resume_batch(services: ServicesDep, caller: CallerDep, batch_id: BatchId) -> Response:
    """Lift the hold of a batch. Other holds, of its model for instance, stay. Resuming what is not held is fine."""
    find_batch(services, caller, batch_id)
    return _resume(services, caller, HoldKind.BATCH, batch_id)


@routes.post("/upstreams/{name}/pause", **_PAUSE)
@writing
def post_pause_upstream(services: ServicesDep, caller: CallerDep, name: UpstreamName, body: SmallBody) -> Response:
    """Send no more jobs to an upstream; those that another one takes go there. For operators."""
    _require_operator(caller)
    _require_upstream(services, name)
    return _pause(services, caller, HoldKind.UPSTREAM, name, body)


@routes.post("/upstreams/{name}/resume", **_RESUME)
@writing
def post_resume_upstream(services: ServicesDep, caller: CallerDep, name: UpstreamName) -> Response:
    """Lift the hold of an upstream, also one that Longhand set: jobs are sent there at once. For operators."""
    _require_operator(caller)
    return _resume(services, caller, HoldKind.UPSTREAM, name)


@routes.post("/models/{model:path}/pause", **_PAUSE)
@writing
def post_pause_model(services: ServicesDep, caller: CallerDep, model: ModelName, body: SmallBody) -> Response:
    """Start no more jobs of a model, of any project. For operators."""
    _require_operator(caller)
    return _pause(services, caller, HoldKind.MODEL, check_text(model, "model", 256), body)


@routes.post("/models/{model:path}/resume", **_RESUME)
@writing
def post_resume_model(services: ServicesDep, caller: CallerDep, model: ModelName) -> Response:
    """Lift the hold of a model. For operators."""
    _require_operator(caller)
    return _resume(services, caller, HoldKind.MODEL, check_text(model, "model", 256))


@routes.post("/projects/{name}/pause", **_PAUSE)
@writing
def post_pause_project(services: ServicesDep, caller: CallerDep, name: ProjectName, body: SmallBody) -> Response:
    """Start no more jobs of a project: your own, or, as an operator, any."""
    _require_project(caller, name)
    return _pause(services, caller, HoldKind.PROJECT, name, body)


@routes.post("/projects/{name}/resume", **_RESUME)
@writing
def post_resume_project(services: ServicesDep, caller: CallerDep, name: ProjectName) -> Response:
    """Lift the hold of a project: your own, or, as an operator, any."""
    _require_project(caller, name)
    return _resume(services, caller, HoldKind.PROJECT, name)


def _pause(services: Services, caller: Caller, kind: HoldKind, target: str, body: bytes) -> Response:
    running, message = _read_body(body)
    change = pause(services.database, kind, target, message=message, release_running=running == RELEASE)
    services.status_publisher.publish_batches(change.batch_ids)
    return _answer(services, caller, kind, target, changed=change.changed)


def _resume(services: Services, caller: Caller, kind: HoldKind, target: str) -> Response:
    change = resume(services.database, kind, target)
    if change.changed:
        services.waker.wake()
        services.status_publisher.publish_batches(change.batch_ids)
    return _answer(services, caller, kind, target, changed=change.changed)


def _answer(services: Services, caller: Caller, kind: HoldKind, target: str, *, changed: bool) -> Response:
    holds = read_holds(services.database, [target] if kind is HoldKind.BATCH else ())
    held = [hold for hold in holds if (hold.kind, hold.target) == (kind, target)]
    hold = caller_hold_json(services, caller, held[0] if held else None)
    return JsonAnswer({"object": "held", "kind": str(kind), "target": target, "hold": hold, "changed": changed})


def _read_body(body: bytes) -> tuple[str, str]:
    """What `running` and `message` say."""
    fields = read_known_fields(body, _FIELDS)
    running = read_value(fields["running"], "running") if "running" in fields else CONTINUE
    if running not in (CONTINUE, RELEASE):
        raise invalid("running", f'must be "{CONTINUE}" or "{RELEASE}"')
    message = check_text(read_value(fields["message"], "message"), "message", 200) if "message" in fields else ""
    return running, message


def _require_operator(caller: Caller) -> None:
    if not is_operator(caller):
        raise ApiError(
            403,
            "operators_only",
            "this concerns the work of all projects: ask with a key of the project `default`, or pause your own project"
            f" with POST /v1/projects/{caller.project}/pause",
        )


def _require_project(caller: Caller, name: str) -> None:
    if name != caller.project and not is_operator(caller):
        raise ApiError(
            403, "operators_only", "only your own project, or any with a key of the project `default`", param="name"
        )
    check_text(name, "name", 64)


def _require_upstream(services: Services, name: str) -> None:
    """Refuse an unknown upstream; a process that was given none takes any name."""
    specs = services.upstreams.current().specs
    if specs and all(spec.name != name for spec in specs):
        known = ", ".join(spec.name for spec in specs)
        raise ApiError(404, "not_found", f"there is no upstream {name[:80]!r}; there are {known}", param="name")

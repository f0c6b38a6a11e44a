"""Every endpoint of the API: those that take an id, those that take none, and how their paths are filled."""

from typing import Any

from api.server import ApiServer

BY_ID = {
    ("GET", "/v1/jobs/{job_id}"): "job",
    ("GET", "/v1/jobs/{job_id}/text"): "job",
    ("DELETE", "/v1/jobs/{job_id}"): "job",
    ("DELETE", "/v1/batches/{batch_id}"): "batch",
    ("GET", "/v1/jobs/{job_id}/events"): "job",
    ("POST", "/v1/jobs/{job_id}/cancel"): "job",
    ("POST", "/v1/jobs/{job_id}/retry"): "job",
    ("GET", "/v1/batches/{batch_id}"): "batch",
    ("GET", "/v1/batches/{batch_id}/events"): "batch",
    ("GET", "/v1/batches/{batch_id}/results"): "batch",
    ("POST", "/v1/batches/{batch_id}/cancel"): "batch",
    ("POST", "/v1/batches/{batch_id}/retry"): "batch",
    ("POST", "/v1/batches/{batch_id}/pause"): "batch",
    ("POST", "/v1/batches/{batch_id}/resume"): "batch",
    ("GET", "/v1/files/{file_id}"): "file",
    ("GET", "/v1/files/{file_id}/content"): "file",
    ("DELETE", "/v1/files/{file_id}"): "file",
    ("GET", "/v1/responses/{response_id}"): "response",
    ("POST", "/v1/responses/{response_id}/cancel"): "response",
    ("DELETE", "/v1/responses/{response_id}"): "response",
    ("GET", "/v1/responses/{response_id}/input_items"): "response",
    ("GET", "/v1/webhooks/{webhook_id}"): "webhook",
    ("POST", "/v1/webhooks/{webhook_id}"): "webhook",
    ("DELETE", "/v1/webhooks/{webhook_id}"): "webhook",
    ("POST", "/v1/webhooks/{webhook_id}/rotate_secret"): "webhook",
    ("POST", "/v1/webhooks/{webhook_id}/test"): "webhook",
    ("POST", "/v1/webhooks/{webhook_id}/replay"): "webhook",
    ("GET", "/v1/webhooks/{webhook_id}/deliveries"): "webhook",
}
"""Method and path, and what is named there."""

WITHOUT_ID = {
    ("GET", "/v1/jobs"),
    ("GET", "/v1/usage"),
    ("GET", "/v1/status"),
    ("GET", "/v1/me"),
    ("POST", "/v1/jobs"),
    ("GET", "/v1/batches"),
    ("POST", "/v1/batches"),
    ("GET", "/v1/files"),
    ("POST", "/v1/files"),
    ("POST", "/v1/inputs"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/responses/input_tokens"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/watch_tokens"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model:path}"),  # the upstream's, and everybody's
    ("POST", "/v1/models/{model:path}/pause"),  # for operators, as those of upstreams
    ("POST", "/v1/models/{model:path}/resume"),
    ("GET", "/v1/upstreams"),
    ("GET", "/v1/webhooks"),
    ("POST", "/v1/webhooks"),
    ("POST", "/v1/upstreams/{name}/pause"),
    ("POST", "/v1/upstreams/{name}/resume"),
    ("POST", "/v1/projects/{name}/pause"),  # of one's own alone
    ("POST", "/v1/projects/{name}/resume"),
}

EVERYBODYS = ("/v1/models", "/v1/models/{model:path}", "/v1/upstreams", "/v1/me", "/v1/status")
"""Each tells everybody something; what of it is one project's is tested beside them."""


def routes_of(api: ApiServer) -> set[tuple[str, str]]:
    """Method and path of every endpoint of the API itself, also of those that its reference does not show."""
    app: Any = api.config.app
    found: set[tuple[str, str]] = set()
    unread = list(app.routes)
    while unread:
        route = unread.pop()
        inner = getattr(route, "original_router", None)  # FastAPI keeps a router that is included as it is
        if inner is not None:
            unread += inner.routes
        elif route.path.startswith("/v1"):
            found |= {(method, route.path) for method in route.methods - {"HEAD"}}
    return found


def path_to(path: str, resource_id: str) -> str:
    return path[: path.index("{")] + resource_id + path[path.index("}") + 1 :]

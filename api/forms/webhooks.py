"""Webhooks as the API shows them."""

from typing import Any

from api.forms.jobs import whole_seconds
from jobs.store.database import Database
from jobs.webhooks.endpoints import WebhookEndpoint, read_batch_endpoint
from jobs.webhooks.past import PastDelivery


def webhook_json(endpoint: WebhookEndpoint, *, with_secret: bool = False) -> dict[str, Any]:
    """An endpoint; with its secret only where it was made, or has made a new one."""
    shown = {
        "id": endpoint.id,
        "object": "webhook",
        "url": endpoint.url,
        "name": endpoint.name,
        "events": list(endpoint.events),
        "batch_id": endpoint.batch_id,
        "status": "enabled" if endpoint.paused_at is None else "paused",
        "paused_at": whole_seconds(endpoint.paused_at),
        "pause_reason": endpoint.pause_reason,
        "failures": endpoint.failures,
        "failing_since": whole_seconds(endpoint.failing_since),
        "old_secret_expires_at": whole_seconds(endpoint.old_secret_until),
        "created_at": whole_seconds(endpoint.created_at),
    }
    return shown | ({"secret": endpoint.secret} if with_secret else {})


def batch_webhook_json(database: Database, batch_id: str, project: str) -> dict[str, Any]:
    """What the answer that accepts a batch says of its endpoint: with its secret, also when a client asks again with
    the same key because the first answer was lost.
    """
    endpoint = read_batch_endpoint(database, batch_id, project=project)
    return {"webhook": webhook_json(endpoint, with_secret=True)} if endpoint is not None else {}


def delivery_json(delivery: PastDelivery, *, paused: bool = False) -> dict[str, Any]:
    """A delivery as it stands, of an endpoint that may be paused."""
    return {
        "object": "webhook.delivery",
        "webhook_id": delivery.webhook_id,
        "event_id": delivery.event_id,
        "type": delivery.type,
        "status": delivery.status,
        "tries": delivery.tries,
        "created_at": whole_seconds(delivery.created_at),
        "last_tried_at": whole_seconds(delivery.tried_at),
        "next_try_at": whole_seconds(None if paused else delivery.due_at),
        "delivered_at": whole_seconds(delivery.delivered_at),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
    }

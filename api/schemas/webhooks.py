"""What the OpenAPI page says about webhooks. A test compares this with the real answers."""

from typing import Literal

from pydantic import Field

from api.schemas.base import Described, Page


class WebhookObject(Described):
    """An endpoint that Longhand calls when something happens. Times are Unix seconds."""

    id: str
    object: Literal["webhook"]
    url: str
    name: str
    events: list[str]
    batch_id: str | None = Field(description="Hears of this batch and its jobs alone; null: of the whole project.")
    status: Literal["enabled", "paused"]
    paused_at: int | None
    pause_reason: str | None
    failures: int = Field(description="Tries that have failed since the last one that did not.")
    failing_since: int | None
    old_secret_expires_at: int | None = Field(description="Until when the secret before this one signs as well.")
    created_at: int


class WebhookWithSecret(WebhookObject):
    """The same with its secret, which no other answer shows."""

    secret: str


class WebhookList(Described):
    """The endpoints of the project, without those of single batches."""

    object: Literal["list"]
    data: list[WebhookObject]


class DeletedWebhook(Described):
    """It is gone; nothing more is sent to it."""

    id: str
    object: Literal["webhook"]
    deleted: Literal[True]


class DeliveryObject(Described):
    """An event on its way to an endpoint."""

    object: Literal["webhook.delivery"]
    webhook_id: str
    event_id: str = Field(description="The header `webhook-id`: the same in every try.")
    type: str
    status: Literal["pending", "delivered", "failed"]
    tries: int
    created_at: int
    last_tried_at: int | None
    next_try_at: int | None = Field(description="Null when there is none, also while the endpoint is paused.")
    delivered_at: int | None
    last_status: int | None = Field(description="The HTTP status of the last try; null when there was no answer.")
    last_error: str | None


class DeliveryList(Page):
    """A page of deliveries, the newest first."""

    data: list[DeliveryObject]


class ReplayedObject(Described):
    """How many events are sent again."""

    object: Literal["webhook.replay"]
    webhook_id: str
    replayed: int

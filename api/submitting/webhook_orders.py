"""Reads what a request says of a webhook: where it goes, what it hears of, and whether its address is allowed."""

from api.access.turns import ASKING
from api.http.errors import ApiError
from api.services import Services
from api.submitting.bodies import refuse_unknown
from api.submitting.fields import check_text, invalid, missing
from jobs.webhooks.addresses import LONGEST_URL, ReceiverRefusedError, check_addresses, check_url
from jobs.webhooks.endpoints import NewWebhook
from jobs.webhooks.events import BATCH_ENDS, EVENTS
from jobs.webhooks.lookups import LOOKUP_SECONDS


def check_batch_webhook(value: object) -> NewWebhook:
    """The endpoint of a single batch: `{"url", "events"}`. Its address is not checked here."""
    if not isinstance(value, dict):
        raise invalid("webhook", 'must be an object such as {"url": "https://app.example/webhooks"}')
    refuse_unknown(value, ("url", "events"), "webhook")
    if value.get("url") is None:
        raise missing("webhook.url", "where the events are sent")
    url, events = read_url(value["url"], "webhook.url"), value.get("events")
    return NewWebhook(url, BATCH_ENDS if events is None else read_events(events, "webhook.events"))


def read_url(value: object, at: str) -> str:
    """A URL by its form."""
    url = check_text(value, at, LONGEST_URL)
    try:
        check_url(url)
    except ReceiverRefusedError as refused:
        raise invalid(at, str(refused), "invalid_webhook_url") from None
    return url


def read_events(value: object, at: str) -> tuple[str, ...]:
    """Names of events, each once."""
    if not isinstance(value, list) or not value or any(name not in EVENTS for name in value):
        raise invalid(at, f"must be a list with one or more of {', '.join(EVENTS)}")
    return tuple(dict.fromkeys(value))


async def require_receiver(services: Services, url: str, at: str) -> None:
    """Refuse a URL whose host has no address, or one that no webhook may have. Ask outside of every turn: a name server
    that hangs would keep others waiting.

    It is checked again at each delivery: a name may change its answer.
    """
    host, port = check_url(url)
    try:
        found = await services.lookups.find(ASKING.get(), host, port)
    except TimeoutError:
        raise invalid(at, f"its host name is not found within {LOOKUP_SECONDS:g} s", "invalid_webhook_url") from None
    except OSError:
        found = []
    try:
        check_addresses(found, services.settings.webhook_allow)
    except ReceiverRefusedError as refused:
        raise invalid(at, str(refused), "invalid_webhook_url") from None


def too_many(most: int) -> ApiError:
    """The refusal of one more endpoint."""
    message = f"the project has {most} webhooks, the most that it may have: change or delete one"
    return ApiError(409, "too_many_webhooks", message)

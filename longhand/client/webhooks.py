"""The endpoints that receive events, as both clients have them: with the client for asyncio, await each call."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from longhand.client.calls import Call, post_json, read_json
from longhand.client.errors import InputError

_PATH = "/v1/webhooks"


class Webhooks:
    """`ask` sends a request and gives its answer."""

    def __init__(self, ask: Callable[[Call[Any]], Any]) -> None:
        self._ask = ask

    def create(self, url: str, *, events: Sequence[str] | None = None, name: str | None = None) -> Any:
        """Make an endpoint; its `secret` is in this answer alone. Without `events` it hears of the ends of batches and
        of Responses in the background.
        """
        return self._ask(_post(_PATH, {"url": url, "events": events and list(events), "name": name}))

    def list(self) -> Any:
        """The endpoints of the project in `data`, the newest first."""
        return self._ask(Call("GET", _PATH, read_json, waits=(0.0,)))

    def read(self, webhook_id: str) -> Any:
        """One endpoint."""
        return self._ask(Call("GET", _path(webhook_id), read_json, waits=(0.0,)))

    def change(self, webhook_id: str, **changes: Any) -> Any:
        """Change its `url`, `events`, `name`, or its `status`: `paused` or `enabled`."""
        return self._ask(_post(_path(webhook_id), changes))

    def rotate_secret(self, webhook_id: str, *, old_secret_seconds: int | None = None) -> Any:
        """Make a new `secret`. For a day, or so many seconds, the old one signs as well."""
        return self._ask(_post(f"{_path(webhook_id)}/rotate_secret", {"old_secret_seconds": old_secret_seconds}))

    def test(self, webhook_id: str) -> Any:
        """Send it a `webhook.test`; `deliveries` show what becomes of it."""
        return self._ask(_post(f"{_path(webhook_id)}/test", {}))

    def replay(self, webhook_id: str, event_id: str | None = None) -> Any:
        """Send one event again, or all that have failed for good."""
        return self._ask(_post(f"{_path(webhook_id)}/replay", {"event_id": event_id}))

    def deliveries(self, webhook_id: str, *, status: str | None = None, limit: int = 20) -> Any:
        """The newest deliveries in `data`: `pending`, `delivered` or `failed`."""
        params = {"limit": str(limit), **({"status": status} if status else {})}
        return self._ask(Call("GET", f"{_path(webhook_id)}/deliveries", read_json, params, waits=(0.0,)))

    def delete(self, webhook_id: str) -> Any:
        """Remove an endpoint."""
        return self._ask(Call("DELETE", _path(webhook_id), read_json))


def _post(path: str, fields: dict[str, Any]) -> Call[Any]:
    return post_json(path, {name: value for name, value in fields.items() if value is not None})


def _path(webhook_id: str) -> str:
    if not webhook_id.startswith("wh_"):
        raise InputError(f"{webhook_id!r} is not the id of a webhook, which begins with wh_")
    return f"{_PATH}/{quote(webhook_id, safe='')}"

"""The request as one upstream accepts it: the model's name there, the headers, the names of the parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from jobs.strict_json import dump_json
from worker.upstream.dialects.parameters import Change, apply_change


@dataclass(frozen=True, slots=True)
class RequestForm:
    """What an upstream's settings say of the requests to it."""

    api_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """More headers, or others: what stands here replaces ours, and an empty value takes the header away."""
    rename: Mapping[str, str] = field(default_factory=dict)
    """A model's name there, by its name here."""
    parameters: Mapping[str, str | bool] = field(default_factory=dict)
    """A parameter's name there, by its name in the request; false leaves it out."""
    ask_for_usage: bool = True

    def body(self, request: Mapping[str, object], learned: Sequence[Change]) -> dict[str, Any]:
        """The body to send. `learned` is what this upstream has refused of this model's requests before."""
        asked: dict[str, Any] = {**request, "stream": True}
        if self.ask_for_usage:
            options = asked.get("stream_options")
            asked["stream_options"] = {**(options if isinstance(options, Mapping) else {}), "include_usage": True}
        if self.rename and isinstance(asked.get("model"), str):
            asked["model"] = self.rename.get(asked["model"], asked["model"])
        for change in self._changes(learned):
            asked = apply_change(asked, change)
        return asked

    def changed(self, request: Mapping[str, object], learned: Sequence[Change]) -> dict[str, str | None]:
        """Which parameters of the request are sent by another name, and which (None) are not sent."""
        sent: dict[str, str | None] = {name: name for name in request}
        for change in self._changes(learned):
            sent |= {name: change.other_name for name, current in sent.items() if current == change.name}
        return {name: current for name, current in sent.items() if current != name}

    def _changes(self, learned: Sequence[Change]) -> list[Change]:
        """What the settings say, and then what was learned."""
        stated = (Change(name, other or None) for name, other in self.parameters.items() if other is not True)
        return [*stated, *learned]

    def http_headers(self, idempotency_key: str | None, traceparent: str | None = None) -> dict[str, str]:
        """The headers to send, their names in lower case."""
        headers = {"content-type": "application/json", "accept": "text/event-stream", "accept-encoding": "identity"}
        if self.api_key:
            headers["authorization"] = f"Bearer {self.api_key}"
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        if traceparent:
            headers["traceparent"] = traceparent
        headers |= {name.lower(): value for name, value in self.headers.items()}
        return {name: value for name, value in headers.items() if value}


def encode(body: Mapping[str, Any]) -> bytes:
    """A body as it is sent. In ASCII escapes even a lone surrogate can be: whether to accept it is for the upstream."""
    return dump_json(body).encode()


def completions_url(url: str) -> httpx.URL:
    """Where completions are asked for, from an upstream's base URL with its `/v1`; a query in it is kept."""
    base = httpx.URL(url)
    if base.userinfo:
        raise ValueError(
            "the upstream's URL holds a user or password: instead, set `api_key_env` in the upstreams file, or"
            " LONGHAND_UPSTREAM_API_KEY"
        )
    path = base.path.rstrip("/").removesuffix("/chat/completions") + "/chat/completions"
    return base.copy_with(path=path, fragment=None)

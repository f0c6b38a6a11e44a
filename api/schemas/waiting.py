"""What the OpenAPI page says of holds and of what queued jobs wait for."""

from typing import Literal

from pydantic import Field

from api.schemas.base import Described


class HoldDetail(Described):
    """What is held, why and since when."""

    kind: Literal["batch", "project", "model", "upstream"]
    target: str
    reason: str = Field(
        description="`paused`, or of a hold of Longhand's own: `away`, `url`, `credit`, `key` or `limit`."
    )
    since: float
    message: str
    held_by: str
    probe_at: float | None = Field(description="When a job is sent to see; null: only a person lifts it.")
    upstream: str | None
    url: str | None = Field(description="Of a held upstream: its address, where it is known.")
    may_resume: bool = Field(description="Whether you may lift it; a key of the project `default` may lift any.")


class WaitingObject(Described):
    """What a queued job waits for."""

    hold: HoldDetail | None = Field(default=None, description="What keeps it from starting; it is no failed attempt.")
    limited_by: str | None = Field(
        default=None,
        description="Why it has not started: `hold`, `no_upstream`, `retry`, `max_concurrency`, `no_free_stream`, or of"
        " the upstream `max_streams`, `window`, `requests`, `tokens`, `retry_after`.",
    )
    limited_by_message: str | None = Field(default=None, description="The same in one sentence that says what to do.")
    limited_until: float | None = Field(default=None, description="Until when, where that is known.")

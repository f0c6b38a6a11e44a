"""What the OpenAPI page says about `GET /v1/status` and `GET /v1/me`. A test compares this with the real answers."""

from typing import Literal

from pydantic import Field

from api.schemas.base import Described
from api.schemas.upstreams import FileMistakeObject, UpstreamObject
from api.schemas.waiting import HoldDetail


class RedisLook(Described):
    """How it answers at this moment."""

    state: Literal["ok", "slow", "away", "refuses"] = Field(
        description="`slow`: no answer within a second; `away`: it cannot be reached; `refuses`: it takes no writes."
    )
    latency_ms: float | None = Field(description="Of a small question, measured now.")


class DatabaseLook(RedisLook):
    """How it answers at this moment, and whether its tables are those of this version."""

    revision: str | None = Field(description="Of its tables.")
    needed_revision: str = Field(description="What this version needs.")


class WorkerObject(Described):
    """A worker process."""

    name: str
    state: Literal["running", "draining", "lost"] = Field(
        description="`draining`: it was told to end and takes no more; `lost`: it missed two signs of life. Others take"
        " its jobs at `lease_until`. A lost one is shown for two minutes."
    )
    version: str | None
    streams: int | None = Field(description="How many jobs it runs at most.")
    running: int
    free: int | None = Field(description="How many more it could run now.")
    started_at: float | None
    seen_at: float = Field(description="Its last sign of life.")
    lease_until: float | None = Field(
        description="The end of the last lease on a job that it runs; null: it runs none."
    )


class QueueObject(Described):
    """The jobs of one model in one project."""

    project: str
    model: str
    queued: int
    counted_all: bool = Field(description="False: there are more than `queued`, which are all that were counted.")
    running: int
    hold: HoldDetail | None = Field(description="What keeps the first of them from starting.")
    limited_by: str | None = Field(
        description="Why the first of them has not started: as of a job, or `no_worker`; null: it is about to."
    )
    limited_by_message: str | None
    limited_until: float | None


class StatusObject(Described):
    """The state of the whole. Times are Unix seconds; what is unknown at this moment is null."""

    object: Literal["status"]
    version: str = Field(description="Of the API process that answers.")
    at: float
    project: str | None = Field(description="Yours.")
    is_operator: bool | None = Field(description="Whether you see, pause and resume what concerns all projects.")
    database: DatabaseLook
    redis: RedisLook
    workers: list[WorkerObject] | None = Field(description="At most 200, those that live first.")
    workers_complete: bool = Field(
        description="False while Redis does not answer: then only workers that run jobs are known."
    )
    queue: list[QueueObject] | None = Field(
        description="By project and model, at most 100: of all projects for an operator, else of yours."
    )
    queue_has_more: bool | None
    held: list[HoldDetail] | None = Field(
        description="Batches, models and projects that a person holds, the newest first, at most 100."
    )
    upstreams: list[UpstreamObject] | None = Field(description="As in `GET /v1/upstreams`.")
    file_mistakes: list[FileMistakeObject] | None


class KeyObject(Described):
    """A key, without its secret."""

    id: str
    prefix: str = Field(description="Its first characters.")
    name: str
    created_at: float


class MeObject(Described):
    """The caller."""

    object: Literal["me"]
    project: str
    is_operator: bool
    key: KeyObject | None

"""What the OpenAPI page says about the upstreams' answers. A test compares this with the real answers."""

from typing import Literal

from pydantic import Field

from api.schemas.base import Described
from api.schemas.waiting import HoldDetail


class LimitsObject(Described):
    """What the upstreams file says. What it leaves open is learned from the upstream's answers."""

    max_streams: int | None
    requests_per_minute: float | None
    tokens_per_minute: float | None


class LimitUseObject(Described):
    """How much of a limit is used. Unknown is null."""

    used: float | None
    limit: float | None


class HoldObject(Described):
    """Why no job starts, since when, and when one will be sent to see whether all is well again."""

    reason: str
    since: float
    message: str
    held_by: str = Field(description="`system`, or who paused it.")
    probe_at: float | None = Field(description="Null when only a person lifts it.")


class HeldObject(Described):
    """Whether something is held now; `hold` is null when it is not."""

    object: Literal["held"]
    kind: Literal["batch", "project", "model", "upstream"]
    target: str
    hold: HoldDetail | None
    changed: bool = Field(description="Whether this call has changed anything: false if it was held, or not, before.")


class ModelInUseObject(Described):
    """One model at one upstream, which has a pace for itself."""

    model: str
    running: int | None
    window: float | None = Field(description="How many streams may run at once, as learned so far.")
    limited_by: str | None = Field(description="Why no more jobs start now; null when more could.")
    requests_per_minute: LimitUseObject
    tokens_per_minute: LimitUseObject
    first_delta_seconds: float | None


class LastErrorObject(Described):
    """What went wrong last."""

    code: str
    at: float
    message: str | None = Field(description="Shown to this machine, or to a key of the project `default`.")


class RefusedObject(Described):
    """How many jobs it has refused since it last took one, and why the latest."""

    count: int
    error: LastErrorObject


class UpstreamObject(Described):
    """An endpoint: what the upstreams file says of it, and how it is doing. Times are Unix seconds; unknown is null."""

    object: Literal["upstream"]
    name: str
    url: str = Field(description="Without its query.")
    models: list[str] = Field(description="Patterns of the models that it takes.")
    rename: dict[str, str] = Field(description="From the name in a job to the upstream's own.")
    tier: int
    weight: float
    limits: LimitsObject
    state: Literal["ok", "held"] | None
    hold: HoldObject | None
    running: int | None = Field(description="Streams that all workers have there now.")
    in_use: list[ModelInUseObject] | None
    last_error: LastErrorObject | None
    refused: RefusedObject | None = Field(
        description="There if it refused the last three or more of your jobs, or of all jobs with a key of `default`."
    )
    first_delta_seconds: float | None = Field(description="The median over its models.")


class FileMistakeObject(Described):
    """A mistake in the upstreams file."""

    line: int | None = Field(description="Null when it is with the file as a whole.")
    message: str


class UpstreamList(Described):
    """All upstreams, in the order of their file."""

    object: Literal["list"]
    data: list[UpstreamObject]
    file_mistakes: list[FileMistakeObject] = Field(
        description="What is wrong with the file as it is now. While there is anything, the last right one counts."
    )

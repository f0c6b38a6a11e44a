"""What several schemas have in common."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Described(BaseModel):
    """What every schema is: it has these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Page(Described):
    """One page. Go on with `after=<last_id>` while `has_more`."""

    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ExpiresAfter(Described):
    """How long it asked to be kept, and from when on."""

    anchor: Literal["ended_at", "created_at"]
    seconds: int

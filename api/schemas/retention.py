"""How long a job or a batch is kept."""

from typing import Literal

from api.schemas.waiting import Described


class ExpiresAfter(Described):
    """How long it asked to be kept, and from when on."""

    anchor: Literal["ended_at", "created_at"]
    seconds: int

"""Pages of lists."""

from typing import Literal

from api.schemas.waiting import Described


class Page(Described):
    """One page. Go on with `after=<last_id>` while `has_more`."""

    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool

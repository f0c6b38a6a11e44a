"""A page of a list, as the API shows it."""

from collections.abc import Sequence
from typing import Any


def page_json(items: Sequence[dict[str, Any]], *, more: bool, by: str = "id") -> dict[str, Any]:
    """The items, and the ids with which the next page begins; `by` is the name of the id in an item."""
    return {
        "object": "list",
        "data": items,
        "first_id": items[0][by] if items else None,
        "last_id": items[-1][by] if items else None,
        "has_more": more,
    }

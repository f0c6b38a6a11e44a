"""Which jobs a list has: the filters of `jobs`, the same for both clients."""

from collections.abc import Mapping
from typing import TypedDict

from longhand.client.objects import JobStatus


class JobFilters(TypedDict, total=False):
    """A filter that is left out, or None, lets every job pass. Times are Unix seconds or ISO 8601."""

    batch_id: str | None
    status: JobStatus | None
    model: str | None
    custom_id: str | None
    metadata: Mapping[str, str] | None
    created_after: float | str | None
    created_before: float | str | None
    q: str | None
    """Jobs whose text so far contains exactly this, ignoring case, or whose `custom_id` begins with it."""


def query_of(filters: JobFilters) -> dict[str, str]:
    """The filters that are set, under their names in the query string."""
    metadata = filters.get("metadata") or {}
    others = {name: str(value) for name, value in filters.items() if value is not None and name != "metadata"}
    return others | {f"metadata.{key}": value for key, value in metadata.items()}

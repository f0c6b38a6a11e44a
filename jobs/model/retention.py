"""How long something is kept after it was submitted or after its end. Before its end it is always kept."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    # The command reads periods, also where SQLAlchemy is not installed.
    from sqlalchemy import RowMapping

CREATED, ENDED = "created_at", "ended_at"
"""From when on the time counts."""

SHORTEST_SECONDS, LONGEST_SECONDS = 3600, 10 * 366 * 86400
"""By the shortest one, its tails have left Redis and everybody who waited has read it."""

_PERIOD = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read_period(text: str) -> int | None:
    """The seconds of a time such as `24h` or `30d`; None when it is no such time."""
    match = _PERIOD.fullmatch(text)
    return int(match[1]) * _SECONDS[match[2]] if match else None


@dataclass(frozen=True, slots=True)
class Retention:
    """What was asked for: `{"anchor", "seconds"}` of a submission, or what a project's default says."""

    seconds: int
    anchor: str = ENDED

    @classmethod
    def from_row(cls, row: "RowMapping") -> Self | None:
        """A row's own one; None when it has none."""
        return cls(row["keep_seconds"], row["keep_from"]) if row["keep_seconds"] is not None else None

    def as_columns(self, created_at: datetime) -> dict[str, Any]:
        """The same as columns of a new row. It cannot end before it is created."""
        earliest = created_at + timedelta(seconds=self.seconds)
        return {"keep_seconds": self.seconds, "keep_from": self.anchor, "erase_at": earliest}

    def delete_at(self, created_at: datetime, ended_at: datetime | None) -> datetime | None:
        """When it is to be deleted; None while that is not known. What ends later is deleted at its end."""
        start = created_at if self.anchor == CREATED else ended_at
        return None if start is None else start + timedelta(seconds=self.seconds)


def delete_at(row: "RowMapping", ended_at: datetime | None) -> datetime | None:
    """When a job or batch is to be deleted, by its own words or by its project's; None: not known, or never."""
    kept = Retention.from_row(row)
    if kept is None and (seconds := row.get("project_keep_seconds")) is not None:
        kept = Retention(seconds)
    return kept.delete_at(row["created_at"], ended_at) if kept is not None else None

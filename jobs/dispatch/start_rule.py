"""What a job's row must fulfil to start in a lane: one of a few rules, and what a moment puts into it.

Dispatch asks for it in several statements of each turn. They are built once for each rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, or_, true

from jobs.dispatch.due import is_due, moment
from jobs.tables import jobs

OTHER_UPSTREAM_SECONDS = 2.0
"""How long a job that failed at one upstream waits for another one to have room; then either may have it."""


class Rather(Enum):
    """Which jobs a probe rather takes."""

    ANY = "any"
    NOT_REFUSED = "not refused"
    NOT_LAST = "not the last probe"


@dataclass(frozen=True, slots=True)
class StartRule:
    """It is due, nobody has it, it names no other upstream, and a retry prefers another one, if there `has_others`."""

    has_others: bool
    rather: Rather = Rather.ANY

    def holds(self) -> ColumnElement[bool]:
        """The condition, on the values that `start_values` gives."""
        name: BindParameter[str] = bindparam("of_upstream")
        free = and_(jobs.c.upstream.is_(None), or_(jobs.c.only_upstream.is_(None), jobs.c.only_upstream == name))
        condition = and_(is_due(moment("now")), free, jobs.c.crashes <= bindparam("most_crashes"))
        if self.has_others:
            waited = jobs.c.due_at <= moment("waited_since")
            elsewhere = or_(jobs.c.last_upstream.is_(None), jobs.c.last_upstream != name)
            condition = and_(condition, or_(elsewhere, jobs.c.only_upstream == name, waited))
        which = {
            Rather.ANY: true(),
            Rather.NOT_REFUSED: jobs.c.refused_at.is_(None),
            Rather.NOT_LAST: jobs.c.id != bindparam("last_probe"),
        }
        return and_(condition, which[self.rather])


def start_values(now: datetime, upstream: str, most_crashes: int, last_probe: str | None) -> Mapping[str, Any]:
    """What the rules are about at this moment."""
    waited_since = now - timedelta(seconds=OTHER_UPSTREAM_SECONDS)
    asked = {"now": now, "waited_since": waited_since, "of_upstream": upstream, "most_crashes": most_crashes}
    return asked | {"last_probe": last_probe or ""}

"""A lane's row: the controller, the turns and the news in it."""

import json
from collections.abc import Mapping
from logging import getLogger
from typing import Any

from sqlalchemy import RowMapping

from jobs.dispatch.choice import LaneTurns
from jobs.dispatch.fair import MOST_REMEMBERED, Turns
from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.routes import Route
from jobs.pace.lane import Lane

log = getLogger(__name__)


def read_lane(row: Mapping[str, Any] | RowMapping | None, route: Route, moment: float) -> Lane:
    """The controller in a lane's row; a new one where there is none, or one that cannot be read."""
    if row is not None and row["pace"]:
        try:
            return Lane.from_json(json.loads(row["pace"]), route.limits)
        except (ValueError, KeyError, TypeError):
            log.warning("the pace of %s for %s cannot be read and begins anew", row["upstream"], row["model"])
    return Lane.new(route.limits, moment)


def read_turns(row: RowMapping) -> LaneTurns:
    """Whose turn it is, as the last turn left it."""
    stored = json.loads(row["turns"]) if row["turns"] else {}
    return LaneTurns(Turns.from_json(stored.get("projects", {})), stored.get("alone_at", {}))


def dump_turns(turns: LaneTurns) -> str:
    """What `read_turns` reads again."""
    latest = sorted(turns.alone_at, key=lambda project: turns.alone_at[project])[-MOST_REMEMBERED:]
    return json.dumps(
        {"projects": turns.projects.as_json(), "alone_at": {project: turns.alone_at[project] for project in latest}}
    )


def news_columns(row: RowMapping, news: LaneNews) -> dict[str, Any]:
    """The columns that the news of a turn change."""
    noted: dict[str, Any] = {}
    if news.accepted_at is not None and (row["accepted_at"] is None or news.accepted_at > row["accepted_at"]):
        noted["accepted_at"] = news.accepted_at
    average = row["first_delta_seconds"]
    for seconds in news.first_delta_seconds:
        average = seconds if average is None else average + 0.1 * (seconds - average)
    return noted | {"first_delta_seconds": average}

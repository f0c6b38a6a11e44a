"""What the models of an upstream share: the limits that the upstreams file gives it, which bound their sum.

Each model has a lane, and learns its pace there. What is declared holds for all of them together. The upstream has one
more row in `lanes` for it, whose model is empty. Where there are limits, a turn of any lane locks that row before its
own, so two turns never take the same room.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from sqlalchemy import Connection, RowMapping

from jobs.dispatch.due import InFlight
from jobs.dispatch.lane_rows import read_lane, store_lane
from jobs.dispatch.turn_costs import TurnCosts
from jobs.pace.lane import Lane
from jobs.pace.reports import Accepted, Finished, LaneLimits, LimitedBy, Refused, Report, Unplanned, Unsent
from jobs.upstreams import UpstreamSpec

ALL_MODELS = ""
"""The model of the row."""

UNLIMITED = 1_000_000
"""A window as wide and a ramp as steep as this limit nothing: what an upstream takes is learned for each model."""


@dataclass(slots=True)
class UpstreamTotal:
    """The limits of one upstream at one moment. Without a lane it has none."""

    lane: Lane | None
    in_flight: int
    moment: float

    @classmethod
    def of(
        cls,
        row: Mapping[str, Any] | RowMapping | None,
        spec: UpstreamSpec,
        in_flight: Mapping[tuple[str, str], InFlight],
        moment: float,
        *,
        in_turn: bool = False,
    ) -> Self:
        """As it is in this row. For a turn, which has locked the row, a reservation that is void and not taken back yet
        counts too: a claim may have it at this moment.
        """
        if not is_limited(spec):
            return cls(None, 0, moment)
        counts = [counted for (name, _), counted in in_flight.items() if name == spec.name]
        total = sum(counted.total + (counted.void if in_turn else 0) for counted in counts)
        return cls(_read(row, spec, moment), total, moment)

    def apply(self, reports: Sequence[Report]) -> None:
        """Settle what a lane has seen. A refusal is the lane's: here it only gives its reservation back."""
        if self.lane is None:
            return
        for report in reports:
            if isinstance(report, Refused | Unsent):
                self.lane.release(report.reserved_tokens, self.moment)
        ended = [report for report in reports if isinstance(report, Accepted | Finished | Unplanned)]
        self.lane.apply(ended, self.in_flight, self.moment)

    def room(self, lead: float) -> int:
        return self.lane.room(self.in_flight, self.moment, lead) if self.lane is not None else UNLIMITED

    def prices(self, streams: int) -> TurnCosts | None:
        """What requests and tokens cost there, if there are too few of them."""
        if self.lane is None or not self.lane.state.is_short(self.moment):
            return None
        return TurnCosts.of(self.lane, None, self.moment, streams)

    def reserve(self, tokens: int, lead: float, estimated: int) -> float | None:
        """Take one request and its tokens; when it may be sent, or None: not now."""
        if self.lane is None:
            return self.moment
        send_at = self.lane.reserve(tokens, self.moment, lead, estimated) if self.room(lead) > 0 else None
        self.in_flight += send_at is not None
        return send_at

    def release(self, tokens: int) -> None:
        """Give a reservation back that was not used."""
        if self.lane is not None:
            self.lane.release(tokens, self.moment)
            self.in_flight -= 1

    def limited_by(self) -> LimitedBy | None:
        return self.lane.limited_by(self.in_flight, self.moment) if self.lane is not None else None

    def next_at(self, tokens: int | None = None) -> float:
        """When it may have room again, if no report comes before. `tokens`: the next request takes so many."""
        return self.lane.next_at(self.in_flight, self.moment, tokens) if self.lane is not None else self.moment

    def store(self, connection: Connection, upstream: str, now: datetime) -> None:
        if self.lane is not None:
            pace = json.dumps(self.lane.to_json())
            store_lane(connection, (upstream, ALL_MODELS), {"pace": pace, "updated_at": now})


def is_limited(spec: UpstreamSpec) -> bool:
    """Whether the upstreams file gives it any limit."""
    return spec.limits != LaneLimits()


def _read(row: Mapping[str, Any] | RowMapping | None, spec: UpstreamSpec, moment: float) -> Lane:
    lane = read_lane(row, spec, moment)
    lane.widen(UNLIMITED)
    return lane

"""An attempt that failed by what may be its upstream's fault, and what is judged of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MOST_ALONE = 3
"""A job goes back uncharged this often although others were accepted since; then it is charged as for any failure."""

MOST_CUT = 8
"""A stream that an outage cuts goes back uncharged this often. Each has been paid for, so there must be an end."""

MOST_DOUBTED = 14
"""A job goes back this often where the key or the credit is refused for it alone, where an upstream that writes for
others answers one project's jobs by an error, and after a 502, 503 or 504 although others were accepted since. It takes
90 s and more: by then other projects have got the same, or have sent nothing for `SUSPECT_SECONDS`.
"""

Reason = Literal["credit", "key", "away", "failing", "cut", "url", "odd", "broken"]
"""`url`: what answers there is no API of this kind. `odd`: an answer that says nothing, or an error without a code.
`broken`: the same after text that is paid for, or an end in the middle that came in order.
"""


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed by what may be its upstream's fault."""

    upstream: str
    model: str
    job_id: str
    sent_at: datetime
    reason: Reason
    code: str
    message: str
    by_status: bool
    """Whether the upstream answered, with a status that says so, rather than not at all."""
    refusals: int
    """How often the job went back for nobody's fault but maybe its own."""
    refused_at: datetime | None = None
    """When it last went back so."""
    written_bytes: int = 0
    """What this attempt wrote."""
    address_mark: str = ""
    """Of the address to which it was sent; empty: nobody knows."""

    @property
    def is_doubtful(self) -> bool:
        """The upstream names the account or the key as the cause. The cause may still be this one request."""
        return self.reason in ("credit", "key")

    @property
    def most_alone(self) -> int:
        """How often it goes back uncharged while others are accepted: of ten servers of a gateway nine may be away."""
        return MOST_DOUBTED if self.reason == "away" else MOST_ALONE

    @property
    def is_paid(self) -> bool:
        """It has written, so its first words prove nothing."""
        return self.reason in ("cut", "broken")

    @property
    def may_be_of_one(self) -> bool:
        """A prompt brings such an answer about. No connection is no prompt's fault, and for credit and key there are
        rules of their own.
        """
        return self.by_status and not self.is_paid and not self.is_doubtful

    @property
    def may_be_own(self) -> bool:
        """The request may have brought it about, even if all are told the same."""
        return self.reason in ("odd", "broken")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of the job: it goes back to the queue uncharged, or is charged. `alone`: it counts as a refusal."""

    charged: bool
    alone: bool = False
    suspect: bool = False
    """The next failure of another job would say that it was the upstream."""
    batch_ids: tuple[str, ...] = ()
    """The batches to publish to that a hold has begun."""
    began: bool = False

"""What is known about an upstream's answer at its end, good or bad."""

from dataclasses import dataclass
from typing import Any

import msgspec

from jobs.model.cut_short import CUT_SHORT
from worker.upstream.rate_limits import RateLimit


class ReportedUsage(msgspec.Struct, frozen=True):
    """Token counts as the upstream reported them. None is unknown, and never 0."""

    input_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    total_tokens: int | None


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of an answer. None is unknown."""

    finish_reason: str | None
    """In OpenAI's words where the upstream's are known. None: it gave none, and never does."""
    usage: ReportedUsage | None
    upstream_id: str | None
    upstream_model: str | None
    rate_limits: tuple[RateLimit, ...] = ()
    """What the answer's headers said of the upstream's limits."""
    message: dict[str, Any] | None = None
    """What stood beside the text: citations, annotations, an unusual finish_reason; bounded in size."""
    is_unsaid: bool = False
    """It was kept, and nothing said that it is whole."""

    @property
    def is_cut_short(self) -> bool:
        """Whether the upstream says that its text is not whole."""
        return self.finish_reason in CUT_SHORT

"""What every error of an upstream says."""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

from worker.upstream.ending import Ending
from worker.upstream.rate_limits import RateLimit
from worker.upstream.text import make_storable

URL_SETTING = "`url` in the upstreams file, or LONGHAND_UPSTREAM_URL"
"""Where a person says which endpoint this is, for messages."""
MAX_QUOTE = 300
"""At most this many characters of an upstream's own words go into a message."""


class Cause(StrEnum):
    """Who is at fault, and so who has to wait: this one job, or everything that goes to the same upstream."""

    JOB = "job"
    """The request or its answer. Only this is charged against `max_attempts`."""
    LIMIT = "limit"
    """The upstream takes fewer requests than it got: everybody slows down."""
    AWAY = "away"
    """The upstream cannot be reached, or fails whatever it is asked."""
    CREDIT = "credit"
    """The upstream's account is out of credit."""
    KEY = "key"
    """The upstream refuses the key."""


class UpstreamError(Exception):
    """The upstream gave no whole text. The message says what was wrong, where, and what to do.

    `code` is stored with the job. `cause` says who is at fault. `retryable` says whether the same request may well
    succeed later. `retry_after_seconds` is what the upstream asked for, None when it did not say. `status` is the HTTP
    status if that is the reason. `rate_limits` is what the answer's headers said of its limits. `ending` is what was
    known of the answer when it failed: its usage must be paid anyway. `is_too_large` says that the request is longer
    than the limit, or than the model's context window.
    """

    code: ClassVar[str] = "upstream_error"
    cause: Cause = Cause.JOB
    retryable: bool = True

    def __init__(self, message: str, *, status: int | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(make_storable(message))
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.rate_limits: tuple[RateLimit, ...] = ()
        self.ending: Ending | None = None
        self.is_too_large = False

    @property
    def message(self) -> str:
        """The sentence for the person who reads it."""
        return str(self.args[0])

    def hide(self, secrets: Iterable[str]) -> None:
        """Take each of `secrets` out of the message: an upstream that refuses a key likes to quote it.

        A quote may have been cut inside a secret, so its beginnings of eight and more characters go too.
        """
        message = self.message
        for secret in secrets:
            for length in range(len(secret), min(len(secret), 8) - 1, -1):
                message = message.replace(secret[:length], "[hidden]")
        self.args = (message,)


def quote(words: str | bytes) -> str:
    """The upstream's own words for a message: one line, at most `MAX_QUOTE` characters."""
    if isinstance(words, bytes):
        words = words[: MAX_QUOTE * 8].decode("utf-8", "replace")
    line = " ".join(words[: MAX_QUOTE * 8].split())
    return make_storable(line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + "…")

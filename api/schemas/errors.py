"""What every request answers that is refused or fails."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Described


class ErrorDetail(Described):
    """What is wrong, where, and what to do."""

    message: str
    type: Literal["invalid_request_error", "server_error"]
    param: str | None = Field(description="The field at fault, such as `requests[3].body.messages`.")
    code: str
    retryable: dict[str, int] | None = Field(
        default=None,
        description="Only with `nothing_to_retry` of a batch: how many of its jobs another `which` would run again.",
    )


class ErrorObject(Described):
    """The answer to every request that is refused or fails."""

    error: ErrorDetail


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorObject}, "5XX": {"model": ErrorObject}}

"""What can go wrong for users of the command or the client. Each message is ready to be printed.

LonghandError               it failed
├── InputError              what was given cannot be used: a file, an option, a setting, an id
├── NoAnswerError           nothing answers at the URL, or it stopped answering
├── RefusedError            Longhand answered, with an error
│   ├── InvalidRequestError     400, 413, 422: what was asked for or submitted is wrong
│   ├── AccessError             401, 403: the API key is missing, unknown or revoked
│   ├── NotFoundError           404: there is no such job or batch, or not any more
│   ├── ConflictError           409: the present state of the job or batch does not allow it
│   └── UnavailableError        429, 502, 503, 504: not now; the same request may succeed later
├── StrangeAnswerError      what answers is too long, or not of the form that this version knows
├── BrokenTextError         a stored text does not match the length and SHA-256 that its job states
└── StackError              the local stack could not start
"""

from collections.abc import Mapping


class LonghandError(Exception):
    """Something failed. The command ends with `exit_code`."""

    exit_code = 1


class InputError(LonghandError):
    """What was given cannot be used."""

    exit_code = 2


class NoAnswerError(LonghandError):
    """Nothing answers at the URL, or what answered broke off and did not come back."""

    def __init__(self, message: str, *, was_there: bool = False) -> None:
        super().__init__(message)
        self.was_there = was_there
        """Whether a connection had been made, so that the URL must be right."""


class RefusedError(LonghandError):
    """Longhand answered with an error; `status` is the HTTP status, `code` and `param` say what and where."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        param: str | None = None,
        retry_after_seconds: float | None = None,
        retryable: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        """How long to wait before the next try, if the answer said so."""
        self.retryable = retryable
        """Of `nothing_to_retry`: how many jobs of the batch another `which` would run again; None: it is not said."""


class InvalidRequestError(RefusedError):
    """What was asked for or submitted is wrong; `param` names the place, such as `requests[3].body.messages`."""


class AccessError(RefusedError):
    """The API key is missing, unknown or revoked; or no key is set up, and the client is on another machine."""


class NotFoundError(RefusedError):
    """There is no such job or batch, or not any more."""


class ConflictError(RefusedError):
    """The present state does not allow it: the text is not completed, or the job has already ended."""


class UnavailableError(RefusedError):
    """Not now; the same request may succeed later."""


class StrangeAnswerError(LonghandError):
    """What answers does not speak as Longhand does: another program, a much newer version, or one that means harm."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the answer is none of Longhand's ({why}): is LONGHAND_URL right, and is this version as new?"
        )


class BrokenTextError(LonghandError):
    """The stored text of a job does not have the length and SHA-256 that the job states."""


class StackError(LonghandError):
    """The local stack could not start."""


_BY_STATUS: dict[int, type[RefusedError]] = {
    400: InvalidRequestError,
    401: AccessError,
    403: AccessError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    422: InvalidRequestError,
    429: UnavailableError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def refusal_of(status: int) -> type[RefusedError]:
    """The branch of the tree that an HTTP status belongs to."""
    return _BY_STATUS.get(status, RefusedError)


def first_line(error: Exception) -> str:
    """The first line of what a library's exception says; some add pages to it."""
    return str(error).strip().split("\n", 1)[0]

"""What can go wrong for who uses the command or the client. Each message is ready to be printed.

LonghandError               it failed
├── InputError              what was given cannot be used: a file, an option, a setting, an id
├── NoAnswerError           nothing answers at the URL, or it stopped answering
├── RefusedError            Longhand answered, with an error
│   ├── InvalidRequestError     400, 413, 422: what was asked for or submitted is wrong
│   ├── AccessError             401, 403: the API key is missing, unknown or revoked
│   ├── NotFoundError           404: there is no such job or batch, or not any more
│   ├── ConflictError           409: it cannot be done in the state that things are in
│   └── UnavailableError        429, 502, 503, 504: not now; the same may go well later
├── BrokenTextError         a stored text is not the one that its job says is stored
└── StackError              the local stack could not start
"""


class LonghandError(Exception):
    """It failed. `exit_code` is what the command ends with."""

    exit_code = 1


class InputError(LonghandError):
    """What was given cannot be used."""

    exit_code = 2


class NoAnswerError(LonghandError):
    """Nothing answers at the URL, or what answered broke off and did not come back."""

    def __init__(self, message: str, *, was_there: bool = False) -> None:
        super().__init__(message)
        self.was_there = was_there
        """Whether a connection had been made: the URL is right then."""


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
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        """How long to wait before the next try, if the answer said so."""


class InvalidRequestError(RefusedError):
    """What was asked for or submitted is wrong; `param` names the place, such as `requests[3].body.messages`."""


class AccessError(RefusedError):
    """The API key is missing, unknown or revoked; or none is set up, and this is another machine."""


class NotFoundError(RefusedError):
    """There is no such job or batch, or not any more."""


class ConflictError(RefusedError):
    """It cannot be done in the state that things are in: a text that is not completed, a job that has ended."""


class UnavailableError(RefusedError):
    """Not now; the same may go well later."""


class BrokenTextError(LonghandError):
    """The stored text of a job has not the length and SHA-256 that the job says it has."""


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
    """What an exception of a library says, without the pages that some add."""
    return str(error).strip().split("\n", 1)[0]

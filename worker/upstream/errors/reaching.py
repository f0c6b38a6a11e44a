"""No connection, a refusal, a limit: what goes wrong before an answer begins."""

# ruff: noqa: N818 - the names say what happened; that they are errors is what the tree says.

from worker.upstream.errors.tree import Cause, UpstreamError


class Unreachable(UpstreamError):
    """No connection to the upstream."""

    code = "upstream_unreachable"
    cause = Cause.AWAY


class NameNotFound(Unreachable):
    """The upstream's host name has no address."""

    code = "upstream_name_not_found"


class ConnectFailed(Unreachable):
    """The upstream refused the connection, or the network did."""

    code = "upstream_connect_failed"


class ConnectTimedOut(Unreachable):
    """The upstream did not accept the connection in time."""

    code = "upstream_connect_timeout"


class TLSFailed(Unreachable):
    """The upstream's certificate or its TLS cannot be trusted."""

    code = "upstream_tls_failed"


class RateLimited(UpstreamError):
    """The upstream asks to wait. The job did nothing wrong, so no attempt is charged."""

    code = "upstream_rate_limited"
    cause = Cause.LIMIT


class TooLargeForLimit(RateLimited):
    """This one request is more than the limit allows in a minute: the others need not wait for it."""

    code = "upstream_request_too_large"
    cause = Cause.JOB


class ServerError(UpstreamError):
    """The upstream failed, and says that it is its own fault or a matter of time."""

    code = "upstream_server_error"
    cause = Cause.AWAY


class Overloaded(ServerError):
    """The upstream has more to do than it can: everybody slows down, and no attempt is charged."""

    code = "upstream_overloaded"
    cause = Cause.LIMIT


class Rejected(UpstreamError):
    """The upstream will not take this request, now or later."""

    code = "upstream_rejected"
    retryable = False


class Unauthorized(Rejected):
    """The upstream does not know the key, or the key may not do this."""

    code = "upstream_unauthorized"
    cause = Cause.KEY


class QuotaSpent(Rejected):
    """The account has no credit left: a person must act, waiting does not help."""

    code = "upstream_quota_spent"
    cause = Cause.CREDIT

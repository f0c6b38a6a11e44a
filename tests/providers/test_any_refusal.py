"""Kinds F, H: out of credit is told in every place and with every status, and an outage is never the job's fault."""

from hypothesis import given
from hypothesis import strategies as st

from tests.providers.case import answer
from tests.providers.feeding import feed
from worker.upstream.errors import Cause, UpstreamError

CREDIT_CODES = [
    "exceeded_current_quota_error",
    "insufficient_user_quota",
    "INSUFFICIENT_BALANCE",
    "AccountOverdueError",
    "Arrearage",
    "project_spend_limit_exceeded",
    "1113",
]
CREDIT_WORDS = [
    "Insufficient account balance",
    "Your credit balance is too low",
    "user quota is not enough",
    "余额不足，请充值",
    "your account has an overdue balance",
]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["error", "code", "message", "x"]), inner)
    ),
    max_leaves=6,
)


def refuse(status: int, body: object) -> UpstreamError:
    """How an answer with this status and body is read."""
    found, text = feed([step for step in answer(status, body) if isinstance(step, bytes)]).outcomes[0]
    assert isinstance(found, UpstreamError)
    assert text == ""
    return found


def shapes_of(code: str, message: str) -> list[object]:
    """One refusal in every shape in which it is sent."""
    plain = {"code": code, "message": message}
    return [
        plain,
        {"error": plain},
        {"error": {"type": code, "message": message, "param": None, "code": None}},
        [{"error": plain}],
        {"type": "error", "error": {"type": code, "message": message}},
        {"code": code, "msg": message},
    ]


@given(
    status=st.sampled_from([400, 402, 403, 429]),
    code=st.sampled_from(CREDIT_CODES),
    form=st.integers(0, 5),
    is_upper=st.booleans(),
)
def test_a_code_of_an_empty_account_is_known_wherever_it_stands(
    status: int, code: str, form: int, is_upper: bool
) -> None:
    error = refuse(status, shapes_of(code.upper() if is_upper else code, "refused")[form])
    assert (error.code, error.cause, error.retryable) == ("upstream_quota_spent", Cause.CREDIT, False)


@given(status=st.sampled_from([400, 402, 403, 429]), words=st.sampled_from(CREDIT_WORDS), form=st.integers(0, 5))
def test_words_of_an_empty_account_are_known_whatever_the_code(status: int, words: str, form: int) -> None:
    error = refuse(status, shapes_of("unheard_of", words)[form])
    assert (error.code, error.cause, error.retryable) == ("upstream_quota_spent", Cause.CREDIT, False)


@given(status=st.sampled_from([500, 502, 503, 504, 520, 522, 524, 529]), body=ANY_JSON | st.binary(max_size=40))
def test_an_outage_is_never_the_fault_of_the_job(status: int, body: object) -> None:
    error = refuse(status, body)
    assert error.retryable
    assert error.cause in (Cause.AWAY, Cause.LIMIT)


@given(status=st.integers(400, 599), body=ANY_JSON | st.binary(max_size=40))
def test_every_refusal_quotes_its_status(status: int, body: object) -> None:
    assert str(status) in refuse(status, body).message

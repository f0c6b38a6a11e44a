"""Kinds I, L: a wait is read in every form, and what is refused by name is left out and nothing else."""

import json
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.case import answer
from tests.providers.feeding import feed
from tests.providers.test_any_fault import wire_of
from tests.upstream.scripted_upstream import DONE, chunk
from worker.upstream import Ending
from worker.upstream.errors import RateLimited

SLOW_DOWN = {"error": {"message": "slow down"}}
GOOD = [wire_of(chunk({"content": "Tea."}), chunk({}, "stop"), DONE)]
REFUSALS = [
    "Unknown parameter: '{}'.",
    "Unrecognized request argument supplied: {}",
    "Validation error at #/{}: Extra inputs are not permitted",
    "Unsupported parameter: '{}' is not supported with this model.",
    "{}: Extra inputs are not permitted",
    "Extra parameters ['{}'] are not allowed when extra-parameters is not set or set to be 'error'.",
]


def wait_of(body: object = SLOW_DOWN, **headers: str) -> float | None:
    """The wait that a 429 with these asks for, as it is read."""
    pieces = [step for step in answer(429, body, **headers) if isinstance(step, bytes)]
    found, _ = feed(pieces).outcomes[0]
    assert isinstance(found, RateLimited)
    return found.retry_after_seconds


def forms_of(seconds: int) -> list[tuple[object, dict[str, str]]]:
    """One whole number of seconds in every form in which it is sent: a body, and headers."""
    minutes, rest = divmod(seconds, 60)
    duration = f"{minutes}m{rest}s" if minutes else f"{rest}s"
    spent = {"x_ratelimit_remaining_requests": "0"}
    return [
        (SLOW_DOWN, {"retry_after": str(seconds)}),
        (SLOW_DOWN, {"retry_after": f"{seconds}s"}),
        (SLOW_DOWN, {"retry_after": f"{seconds}.0"}),
        (SLOW_DOWN, {"retry_after_ms": str(seconds * 1000)}),
        (SLOW_DOWN, {**spent, "x_ratelimit_reset_requests": duration}),
        (SLOW_DOWN, {**spent, "x_ratelimit_reset_requests": str(seconds)}),
        ([{"error": {"code": 429, "details": [{"retryDelay": f"{seconds}s"}]}}], {}),
        ({"error": {"message": "slow down", "retry_after": seconds}}, {}),
        ({"detail": "slow down", "retry_after_seconds": seconds}, {}),
        ({"error": {"message": f"Rate limit reached. Please try again in {duration}."}}, {}),
        ({"error": {"message": f"Rate limit reached. Please retry after {seconds} seconds."}}, {}),
        ({"error": {"message": f"Quota exceeded. Please retry in {seconds}.00s."}}, {}),
    ]


@given(seconds=st.integers(1, 3000), form=st.integers(0, 11))
def test_a_wait_is_read_in_every_form(seconds: int, form: int) -> None:
    body, headers = forms_of(seconds)[form]
    assert wait_of(body, **headers) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("source", "write"),
    [
        ("rfc-editor.org: RFC 9110, 10.2.3", lambda at: {"retry_after": format_datetime(at, usegmt=True)}),
        ("openclaw/clawhub#407", lambda at: {"retry_after": str(math.ceil(at.timestamp()))}),
        (
            "Gitlawb/openclaude#936",
            lambda at: {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(at.timestamp() * 1000))},
        ),
        (
            "theopenco/llmgateway#3877",
            lambda at: {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(math.ceil(at.timestamp()))},
        ),
        (
            "docs.anthropic.com: rate-limits",
            lambda at: {
                "anthropic_ratelimit_requests_remaining": "0",
                "anthropic_ratelimit_requests_reset": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        ),
    ],
)
def test_a_time_of_day_is_read_as_the_wait_until_then(source: str, write: object) -> None:
    assert callable(write), source
    wait = wait_of(**write(datetime.now(UTC) + timedelta(seconds=900)))
    # The machine may be slow between here and there, and dates are whole seconds.
    assert wait is not None
    assert 600 < wait <= 901


def test_a_time_of_day_in_the_body_is_read_as_the_wait_until_then() -> None:
    at = int((datetime.now(UTC) + timedelta(seconds=900)).timestamp() * 1000)
    headers = {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(at)}
    body = {
        "error": {"message": "Rate limit exceeded: free-models-per-day", "code": 429, "metadata": {"headers": headers}}
    }
    wait = wait_of(body)
    assert wait is not None
    assert 600 < wait <= 901


@given(
    words=st.sampled_from(REFUSALS),
    status=st.sampled_from([400, 422]),
    is_detail=st.booleans(),
    others=st.dictionaries(st.sampled_from(["temperature", "top_p", "seed", "n", "stop"]), st.integers(0, 5)),
)
def test_what_is_refused_by_name_is_left_out_and_nothing_else(
    words: str, status: int, is_detail: bool, others: dict[str, object]
) -> None:
    said = words.format("stream_options")
    body = {"detail": said} if is_detail else {"error": {"message": said, "type": "invalid_request_error"}}
    refusal = [step for step in answer(status, body) if isinstance(step, bytes)]
    fed = feed(refusal, GOOD, readings=2, body=others)
    assert all(isinstance(found, Ending) and text == "Tea." for found, text in fed.outcomes)
    first, *later = (json.loads(each) for each in fed.asked)
    assert len(later) == 2
    del first["stream_options"]
    assert [first, first] == later

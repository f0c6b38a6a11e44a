"""How long the upstream asks to wait."""

from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.upstream.retry_after import LONGEST_WAIT_SECONDS, read_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NO_REQUESTS_LEFT = {"x-ratelimit-remaining-requests": "0"}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": " 1.5 "}, 1.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After-Ms": "250"}, 0.25),
        ({"Retry-After-Ms": "250", "Retry-After": "7"}, 0.25),
        ({"Retry-After-Ms": "soon", "Retry-After": "7"}, 7.0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT"}, 30.0),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30 -0000"}, 30.0),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "tomorrow"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "99999999"}, LONGEST_WAIT_SECONDS),
        ({"Retry-After": "9" * 400}, LONGEST_WAIT_SECONDS),
        ({"Retry-After": "Sun, 01 Mar 2099 12:00:30 GMT"}, LONGEST_WAIT_SECONDS),
        ({**NO_REQUESTS_LEFT, "x-ratelimit-reset-requests": "1s"}, 1.0),
        ({**NO_REQUESTS_LEFT, "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({**NO_REQUESTS_LEFT, "x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({**NO_REQUESTS_LEFT, "x-ratelimit-reset-requests": "1h2m3.5s"}, LONGEST_WAIT_SECONDS),
        ({**NO_REQUESTS_LEFT, "x-ratelimit-reset-requests": "12"}, 12.0),
        ({**NO_REQUESTS_LEFT, "x-ratelimit-reset-requests": "?"}, None),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "1s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2s"}, 2.0),
        (
            {
                **NO_REQUESTS_LEFT,
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "3s",
            },
            3.0,
        ),
        ({**NO_REQUESTS_LEFT, "x-ratelimit-reset-requests": "9s", "Retry-After": "2"}, 2.0),
    ],
)
def test_the_wait_is_what_the_headers_say(headers: dict[str, str], seconds: float | None) -> None:
    wait = read_retry_after(httpx.Headers(headers), NOW)
    assert wait == (None if seconds is None else pytest.approx(seconds))


@given(value=st.text(max_size=40), name=st.sampled_from(["retry-after", "retry-after-ms"]))
def test_no_header_breaks_the_reading(value: str, name: str) -> None:
    wait = read_retry_after({name: value}, NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT_SECONDS

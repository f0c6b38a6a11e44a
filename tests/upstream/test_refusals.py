"""Answers other than 200: what each status means, and what is shown of what the upstream said."""

import json

import pytest

from tests.upstream.reading import read
from tests.upstream.scripted_upstream import (
    PATIENCE_SECONDS,
    Cut,
    Flood,
    Script,
    ScriptedUpstream,
    chunked,
    event,
    head,
    text,
)
from worker.upstream.errors import (
    URL_SETTING,
    NotAStream,
    Overloaded,
    QuotaSpent,
    RateLimited,
    Rejected,
    ServerError,
    Unauthorized,
    UpstreamError,
)

KEY = "sk-canary-0123456789abcdef"


def refuse(status: int, content: bytes = b"", **headers: str) -> UpstreamError:
    script = [head(status, "application/json", **headers), content]
    with ScriptedUpstream(script) as upstream, pytest.raises(UpstreamError) as caught:
        read(upstream.url, [], api_key=KEY)
    assert len(upstream.exchanges) == 1
    assert upstream.last.sent_bytes > 0
    return caught.value


@pytest.mark.parametrize(
    ("status", "expected", "retryable"),
    [
        (400, Rejected, False),
        (401, Unauthorized, False),
        (402, QuotaSpent, False),
        (403, Unauthorized, False),
        (404, Rejected, False),
        (408, ServerError, True),
        (409, ServerError, True),
        (413, Rejected, False),
        (422, Rejected, False),
        (429, RateLimited, True),
        (500, ServerError, True),
        (503, ServerError, True),
        (529, Overloaded, True),
        (307, NotAStream, True),
    ],
)
def test_each_status_has_its_error(status: int, expected: type[UpstreamError], retryable: bool) -> None:
    error = refuse(status, b'{"error": {"message": "The reason."}}')
    assert type(error) is expected
    assert (error.status, error.retryable) == (status, retryable)
    assert str(status) in error.message


def test_the_upstreams_reason_is_quoted_but_not_at_length() -> None:
    error = refuse(400, json.dumps({"error": {"message": "The reason. " + "y" * 5000}}).encode())
    assert "The reason." in error.message
    assert error.message.count("y") <= 300


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_the_upstream_asks_for_is_passed_on(status: int) -> None:
    assert refuse(status, retry_after="7").retry_after_seconds == 7
    assert refuse(status, retry_after_ms="250").retry_after_seconds == 0.25
    spent = refuse(status, x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="6m0s")
    assert spent.retry_after_seconds == 360
    assert refuse(status).retry_after_seconds is None


def test_a_spent_quota_is_no_rate_limit_though_its_status_says_so() -> None:
    error = refuse(429, b'{"error": {"message": "Top up.", "type": "insufficient_quota"}}', retry_after="1")
    assert type(error) is QuotaSpent
    assert not error.retryable


def test_redirects_are_not_followed_and_the_place_is_named() -> None:
    script = [head(307, location="https://elsewhere.invalid/v1")]
    with ScriptedUpstream(script) as upstream, pytest.raises(NotAStream, match=r"elsewhere\.invalid"):
        read(upstream.url, [])
    assert len(upstream.exchanges) == 1


@pytest.mark.parametrize("location", ["http://xn--zz.com/", "http:x", "http://[::1", "//", "http://ä/".encode(), ""])
def test_a_redirect_to_nowhere_is_a_redirect_all_the_same(location: str | bytes) -> None:
    line = location if isinstance(location, bytes) else location.encode()
    script = [head(301)[:-2] + b"location: " + line + b"\r\n\r\n"]
    with ScriptedUpstream(script) as upstream, pytest.raises(NotAStream, match="redirects"):
        read(upstream.url, [])


PAGE = b"<html><body>404 page not found</body></html>"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, PAGE),
        (400, b""),
        (404, PAGE),
        (404, b""),
        (404, b"404 page not found\n"),
        (404, b'{"detail":"Not Found"}'),
        (404, b'{"status":404,"error":"Not Found","path":"/chat/completions"}'),
        (405, b'{"detail":"Method Not Allowed"}'),
        (405, b"\xef\xbb\xbf <!doctype html>"),
        (410, PAGE),
    ],
)
def test_a_refusal_that_is_none_of_this_api_says_that_the_url_is_wrong(status: int, body: bytes) -> None:
    error = refuse(status, body)
    assert type(error) is NotAStream
    assert (error.status, error.retryable) == (status, True)
    for said in ("does not answer as an OpenAI-compatible API does", f"HTTP {status}", "/v1", URL_SETTING):
        assert said in error.message


def test_words_beside_the_status_in_any_encoding_are_let_be() -> None:
    reason = "Momentanément indisponible".encode("latin-1")
    script = [head(503).replace(b"Scripted", reason), b"The reason."]
    with ScriptedUpstream(script) as upstream, pytest.raises(ServerError, match=r"HTTP 503.*The reason\."):
        read(upstream.url, [])


@pytest.mark.parametrize("padding", [0, 250, 262, 275, 290])
def test_a_key_that_the_upstream_quotes_is_not_in_the_message(padding: int) -> None:
    words = "p" * padding + " Incorrect API key provided: " + KEY
    for content in (words.encode(), json.dumps({"error": {"message": words}}).encode()):
        assert KEY[:8] not in refuse(401, content).message
    script = [head(), event({"error": {"message": words}})]
    with ScriptedUpstream(script) as upstream, pytest.raises(UpstreamError) as caught:
        read(upstream.url, [], api_key=KEY)
    assert KEY[:8] not in caught.value.message


CANARY = "s3cret-canary/0123456789"
QUERIES = [f"key={CANARY}", "a=1&key=s3cret-canary%2F0123456789&v=2", CANARY, "key=s3cret-canary%2f0123456789"]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([b"SSH-2.0-OpenSSH_9\r\n\r\n"], id="no HTTP"),
        pytest.param([b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"], id="no header"),
        pytest.param([b"HTTP/1.1 200 OK\r\nx: " + b"a" * 20_000 + b"\r\n\r\n"], id="a header without end"),
        pytest.param([head(content_length="abc")], id="no length"),
        pytest.param([head(transfer_encoding="chunked") + b"ZZ\r\n"], id="no chunk"),
        pytest.param([*chunked(text("One"))[:-1], Cut()], id="a cut"),
        pytest.param([head(301, location=f"https://elsewhere.invalid/v1?key={CANARY}")], id="a redirect"),
        pytest.param([head(400), f"No such path: /v1/chat/completions?key={CANARY}".encode()], id="a quote"),
        pytest.param([head(400), b"p" * 270 + f" key={CANARY}".encode()], id="a quote that is cut"),
        pytest.param([head(), event({"error": {"message": f"{CANARY} is unknown"}})], id="an error in the stream"),
    ],
)
def test_no_value_of_the_urls_query_is_in_a_message(query: str, answer: Script) -> None:
    with ScriptedUpstream(answer) as upstream, pytest.raises(UpstreamError) as caught:
        read(f"{upstream.url}?{query}", [], api_key=KEY)
    assert "s3cret-canary" in upstream.last.path
    for secret in (CANARY, CANARY[:8], CANARY.replace("/", "%2F"), CANARY.replace("/", "%2f"), query):
        assert secret not in caught.value.message
    assert "\n" not in caught.value.message


def test_what_is_too_short_for_a_secret_is_left_in_the_message() -> None:
    with ScriptedUpstream([head(429)]) as upstream, pytest.raises(RateLimited, match="HTTP 429"):
        read(f"{upstream.url}?v=4&w=29&x=", [], api_key="x")


def test_text_that_no_database_takes_is_made_storable_in_messages() -> None:
    message = refuse(400, b'{"error": "a\x00b \xff"}').message
    assert "\x00" not in message
    assert message.encode()


def test_an_endless_error_body_is_read_to_its_cap_only() -> None:
    with ScriptedUpstream([head(500), Flood(b"x" * 65536, 1 << 28)]) as upstream:
        with pytest.raises(ServerError):
            read(upstream.url, [])
        assert upstream.last.gone.wait(PATIENCE_SECONDS)
    assert upstream.last.fired == ["Flood"]
    assert upstream.last.sent_bytes < 1 << 27

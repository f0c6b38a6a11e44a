"""What the headers of an answer say of the upstream's limits, by the names and forms of each provider."""

import pytest

from jobs.pace.reports import LimitKind
from tests.providers.feeding import feed
from tests.upstream.scripted_upstream import DONE, chunk, head
from worker.upstream import Ending
from worker.upstream.errors import RateLimited

BODY = chunk({"content": "Tea."}) + chunk({}, "stop") + DONE
Known = tuple[LimitKind, float | None, float | None, float | None]

OPENAI = {
    "x_ratelimit_limit_requests": "60",
    "x_ratelimit_remaining_requests": "59",
    "x_ratelimit_reset_requests": "1s",
    "x_ratelimit_limit_tokens": "150000",
    "x_ratelimit_remaining_tokens": "149984",
    "x_ratelimit_reset_tokens": "6m0s",
}
QIANFAN = {"x_ratelimit_limit_requests": "300", "x_ratelimit_remaining_requests": "9"}
MISTRAL = {
    "x_ratelimit_limit_tokens_minute": "5000000",
    "x_ratelimit_remaining_tokens_minute": "4999911",
    "x_ratelimit_tokens_query_cost": "52",
    "x_ratelimit_limit_req_minute": "720",
    "x_ratelimit_remaining_req_minute": "717",
}
CEREBRAS = {
    "x_ratelimit_limit_tokens_minute": "60000",
    "x_ratelimit_remaining_tokens_minute": "59000",
    "x_ratelimit_reset_tokens_minute": "11.382867",
}
IETF = {"ratelimit_limit": "300", "ratelimit_remaining": "280", "ratelimit_reset": "53"}
STRUCTURED = {"ratelimit": '"default";r=50;t=30', "ratelimit_policy": '"default";q=100;w=60'}


@pytest.mark.parametrize(
    ("source", "headers", "known"),
    [
        ("platform.openai.com: rate limits", OPENAI, {("requests", 60, 59, 1), ("tokens", 150000, 149984, 360)}),
        ("cloud.baidu.com: WENXINWORKSHOP/s/cm79w0mjf", QIANFAN, {("requests", 300, 9, None)}),
        ("mistralai/client-ts#169", MISTRAL, {("tokens", 5000000, 4999911, None), ("requests", 720, 717, None)}),
        ("inference-docs.cerebras.ai: rate-limits", CEREBRAS, {("tokens", 60000, 59000, 11.382867)}),
        ("ietf.org: draft-ietf-httpapi-ratelimit-headers-07", IETF, {("requests", 300, 280, 53)}),
        ("developers.cloudflare.com: api/endpoints/reference/limits", STRUCTURED, {("requests", 100, 50, 30)}),
    ],
)
@pytest.mark.parametrize("status", [200, 429])
def test_the_headers_of_an_answer_tell_its_limits(
    source: str, headers: dict[str, str], known: set[Known], status: int
) -> None:
    found, _ = feed([head(status, content_length=str(len(BODY)), **headers), BODY]).outcomes[0]
    assert isinstance(found, Ending if status == 200 else RateLimited), source
    limits = {(each.kind, each.limit, each.remaining, each.reset_seconds) for each in found.rate_limits}
    assert limits == known

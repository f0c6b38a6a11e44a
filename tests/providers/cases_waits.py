"""Kind I: how long to wait, as headers, bodies and sentences say it."""

from tests.providers.case import Case, Fails, answer, case
from worker.upstream.errors import Cause


def refusal(body: object = None, **headers: str) -> tuple[bytes, ...]:
    """A 429 with these headers, `_` standing for `-`."""
    return tuple(
        each for each in answer(429, body or {"error": {"message": "slow down"}}, **headers) if isinstance(each, bytes)
    )


def waits(name: str, source: str, seconds: float, script: tuple[bytes, ...]) -> Case:
    """A 429 that asks for a wait of so many seconds."""
    right = Fails("upstream_rate_limited", Cause.LIMIT, wait=(seconds - 0.01, seconds + 0.01))
    return case("I", name, source, script, right)


GEMINI = [
    {
        "error": {
            "code": 429,
            "message": "Quota exceeded. Please retry in 19.42s.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "20s"}],
        }
    }
]
AZURE_WORDS = {"error": {"code": "429", "message": "... S0 pricing tier. Please retry after 45 seconds."}}
GROQ_WORDS = {
    "error": {"message": "Limit 6000, Used 5034, Requested 1443. Please try again in 4.77s. Need more tokens?"}
}
LONG_WORDS = {"error": {"message": "Rate limit reached for gpt-4-turbo. Please try again in 1m9.696s. Visit ..."}}
SHORT_WORDS = {"error": {"message": "Limit 300000, Used 286751, Requested 16144. Please try again in 579ms."}}
ROUTER_WORDS = {"error": {"message": "Unsupported for now (reset after 23s)"}}
CASES: list[Case] = [
    waits("seconds", "rfc-editor.org: RFC 9110, 10.2.3", 12, refusal(retry_after="12")),
    waits("seconds with their unit", "issue 11, kind I", 12, refusal(retry_after="12s")),
    waits("milliseconds", "openai/openai-python: retry-after-ms", 1.5, refusal(retry_after_ms="1500", retry_after="2")),
    waits(
        "the reset of the limit that is used up",
        "platform.openai.com: rate limits",
        360,
        refusal(
            x_ratelimit_remaining_requests="0",
            x_ratelimit_reset_requests="6m0s",
            x_ratelimit_remaining_tokens="900",
            x_ratelimit_reset_tokens="1s",
        ),
    ),
    waits("a delay in the body's details", "google-gemini/gemini-cli#14811", 20, refusal(GEMINI)),
    waits(
        "retry_after in the body",
        "issue 11, kind I",
        10,
        refusal({"error": {"message": "slow down"}, "retry_after": 10}),
    ),
    waits(
        "retry_after in the error",
        "issue 11, kind I",
        10,
        refusal({"error": {"message": "slow down", "retry_after": 10}}),
    ),
    waits("in words, as Azure writes it", "icereed/paperless-gpt#814", 45, refusal(AZURE_WORDS)),
    waits("in words, with a fraction", "elizaOS/eliza#4040", 4.77, refusal(GROQ_WORDS)),
    waits("in words, minutes and seconds", "Pythagora-io/gpt-pilot#608", 69.696, refusal(LONG_WORDS)),
    waits("in words, milliseconds", "Pythagora-io/gpt-pilot#608", 0.579, refusal(SHORT_WORDS)),
    waits("in words, in brackets", "decolua/9router#560", 23, refusal(ROUTER_WORDS)),
    waits("a header counts before the words", "icereed/paperless-gpt#814", 3, refusal(AZURE_WORDS, retry_after="3")),
    waits(
        "Cerebras: seconds with many places",
        "inference-docs.cerebras.ai: rate-limits",
        33.5,
        refusal(x_ratelimit_remaining_tokens_minute="0", x_ratelimit_reset_tokens_minute="33.500000"),
    ),
]

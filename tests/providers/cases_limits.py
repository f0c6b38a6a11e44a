"""Kinds F, G, H: slow down, a refused key, one request too large for the limit, outages."""

from tests.providers.case import Case, Fails, answer, case
from worker.upstream.errors import Cause

LIMITED = Fails("upstream_rate_limited", Cause.LIMIT)
KEY = Fails("upstream_unauthorized", Cause.KEY, retryable=False)
AWAY = Fails("upstream_server_error", Cause.AWAY)
OVERLOADED = Fails("upstream_overloaded", Cause.LIMIT)
TOO_LARGE = Fails("upstream_request_too_large")
REJECTED = Fails("upstream_rejected", retryable=False)
TPM = "on tokens per minute (TPM): Limit 6000, Requested 12328, please reduce your message size and try again."

REFUSALS: tuple[tuple[str, str, str, int, object, Fails], ...] = (
    (
        "F",
        "Zhipu: 1302 is only a limit",
        "docs.bigmodel.cn: rate-limit",
        429,
        {"error": {"code": "1302", "message": "您的账户已达到速率限制，请您控制请求频率"}},
        LIMITED,
    ),
    (
        "F",
        "DashScope: the minute's tokens, called insufficient_quota",
        "help.aliyun.com: model-studio/rate-limit",
        429,
        {
            "error": {
                "message": "Allocated quota exceeded, please increase your quota limit.",
                "type": "insufficient_quota",
                "code": "insufficient_quota",
            },
            "request_id": "r",
        },
        LIMITED,
    ),
    (
        "F",
        "DashScope: the minute's tokens in other words",
        "issue 11, c52",
        429,
        {
            "error": {
                "message": "the limit of tokens per minute is reached",
                "type": "insufficient_quota",
                "code": "insufficient_quota",
            }
        },
        LIMITED,
    ),
    (
        "F",
        "SiliconFlow: a flat body",
        "AIDotNet/OpenDeepWiki#269",
        429,
        {"message": "Request was rejected due to rate limiting. Details: TPM limit reached.", "data": None},
        LIMITED,
    ),
    (
        "F",
        "Moonshot: overloaded, as a 429",
        "MoonshotAI/kimi-cli#2209",
        429,
        {
            "error": {
                "message": "The engine is currently overloaded, please try again later",
                "type": "engine_overloaded_error",
            }
        },
        LIMITED,
    ),
    (
        "F",
        "a policy, not the key",
        "volcengine.com: docs/82379/1099476",
        400,
        {
            "error": {
                "code": "InputTextRiskDetection",
                "message": "the input text includes sensitive content",
                "type": "BadRequest",
            }
        },
        REJECTED,
    ),
    (
        "F",
        "the key as it is refused",
        "docs.bigmodel.cn: api-code",
        401,
        {"error": {"code": "1000", "message": "身份验证失败"}},
        KEY,
    ),
    (
        "G",
        "Groq: one request too large, as a 413",
        "continuedev/continue#10218",
        413,
        {
            "error": {
                "message": f"Request too large for model `m` {TPM}",
                "type": "tokens",
                "code": "rate_limit_exceeded",
            }
        },
        REJECTED,
    ),
    (
        "G",
        "OpenAI: one request too large, as a 429",
        "vanna-ai/vanna-flask#11",
        429,
        {"error": {"message": f"Request too large for gpt-4o {TPM}", "type": "tokens", "code": "rate_limit_exceeded"}},
        TOO_LARGE,
    ),
    (
        "H",
        "llama.cpp: loading",
        "issue 11, c12",
        503,
        {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
        AWAY,
    ),
    (
        "H",
        "Anthropic: overloaded",
        "anthropics/anthropic-sdk-typescript#616",
        529,
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        OVERLOADED,
    ),
    (
        "H",
        "Cloudflare: a timeout as a page",
        "issue 11, kind H",
        524,
        b"<!DOCTYPE html><title>524: A timeout occurred</title>",
        AWAY,
    ),
    (
        "H",
        "a gateway's own timeout",
        "theopenco/llmgateway#1578",
        504,
        {"error": {"message": "Upstream timed out", "type": "upstream_timeout", "code": "timeout"}},
        AWAY,
    ),
    (
        "H",
        "a wrong model as a bare 500",
        "huggingface/transformers: `transformers serve`",
        500,
        b"Internal Server Error",
        AWAY,
    ),
)


CASES: list[Case] = [
    *(case(kind, name, source, answer(status, body), right) for kind, name, source, status, body, right in REFUSALS),
]

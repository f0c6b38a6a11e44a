"""The headers and fields in which upstreams state their limits and how long to wait."""

from typing import NamedTuple

from jobs.pace.reports import LimitKind


class WaitRow(NamedTuple):
    """Where a wait stands, and its unit if it is a bare number."""

    name: str
    unit_seconds: float
    source: str


WAIT_HEADERS = (
    WaitRow("retry-after-ms", 0.001, "OpenAI and Azure OpenAI; the OpenAI SDK reads it first"),
    WaitRow("x-ms-retry-after-ms", 0.001, "Azure API Management"),
    WaitRow("retry-after", 1.0, "RFC 9110, section 10.2.3"),
    WaitRow("x-retry-after", 1.0, "gateways"),
)
"""In the order in which they count. A number is in the unit; a duration such as `6m0s` and a date are read, too."""

WAIT_FIELDS = (
    WaitRow("retryDelay", 1.0, "google.rpc.RetryInfo in Gemini's and Vertex AI's errors"),
    WaitRow("retry_delay", 1.0, "google.rpc.RetryInfo in snake case, behind gateways"),
    WaitRow("retry_after_ms", 0.001, "gateways"),
    WaitRow("retry_after", 1.0, "Groq behind gateways, LiteLLM, Hugging Face"),
    WaitRow("retry_after_seconds", 1.0, "OpenRouter, error.metadata"),
    WaitRow("retryAfter", 1.0, "gateways"),
    WaitRow("retryAfterSeconds", 1.0, "gateways"),
    WaitRow("X-RateLimit-Reset", 1.0, "OpenRouter, error.metadata.headers"),
    WaitRow("estimated_time", 1.0, "Hugging Face Inference API while a model loads"),
)
"""The same inside a JSON body, at any depth."""


class LimitRow(NamedTuple):
    """The headers of one limit: what is allowed, what is left, when it is full again, and in what time."""

    kind: LimitKind
    limit: str
    remaining: str
    reset: str
    window_seconds: float | None
    source: str


LIMIT_HEADERS = (
    LimitRow("requests", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
             None, "OpenAI, Groq, Together, Fireworks"),
    LimitRow("tokens", "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens",
             None, "OpenAI, Groq, Together"),
    LimitRow("requests", "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining",
             "anthropic-ratelimit-requests-reset", 60.0, "Anthropic API reference, rate limits"),
    LimitRow("tokens", "anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining",
             "anthropic-ratelimit-tokens-reset", 60.0, "Anthropic API reference, rate limits"),
    LimitRow("input_tokens", "anthropic-ratelimit-input-tokens-limit", "anthropic-ratelimit-input-tokens-remaining",
             "anthropic-ratelimit-input-tokens-reset", 60.0, "Anthropic API reference, rate limits"),
    LimitRow("output_tokens", "anthropic-ratelimit-output-tokens-limit", "anthropic-ratelimit-output-tokens-remaining",
             "anthropic-ratelimit-output-tokens-reset", 60.0, "Anthropic API reference, rate limits"),
    LimitRow("requests", "x-ratelimit-limit-requests-minute", "x-ratelimit-remaining-requests-minute",
             "x-ratelimit-reset-requests-minute", 60.0, "Cerebras documentation, rate limits"),
    LimitRow("tokens", "x-ratelimit-limit-tokens-minute", "x-ratelimit-remaining-tokens-minute",
             "x-ratelimit-reset-tokens-minute", 60.0, "Cerebras documentation, rate limits"),
    LimitRow("requests", "x-ratelimit-limit-requests-day", "x-ratelimit-remaining-requests-day",
             "x-ratelimit-reset-requests-day", 86400.0, "Cerebras documentation, rate limits"),
    LimitRow("requests", "x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute",
             "x-ratelimit-reset-req-minute", 60.0, "Mistral; mistralai/client-ts#169"),
    LimitRow("requests", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", None,
             "OpenRouter, GitHub Models, gateways"),
    LimitRow("requests", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", None,
             "IETF draft ratelimit-headers, before it became a structured field"),
    LimitRow("tokens", "ratelimitbysize-limit", "ratelimitbysize-remaining", "ratelimitbysize-reset", 60.0,
             "Mistral documentation, rate limits"),
)  # fmt: skip

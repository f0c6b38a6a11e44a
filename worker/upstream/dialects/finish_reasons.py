"""The words with which answers end: OpenAI's own, and what other providers say for them."""

import re
from enum import StrEnum
from typing import NamedTuple


class Meaning(StrEnum):
    """What the end of an answer means for its text."""

    WHOLE = "stop"
    CUT_AT_LIMIT = "length"
    FILTERED = "content_filter"
    TOOL_CALL = "tool_calls"
    FUNCTION_CALL = "function_call"
    FAILED = "failed"
    """The upstream broke off: the text is not whole, and another attempt may well be."""


class Row(NamedTuple):
    """Words of one source, in lower case, and what they mean."""

    meaning: Meaning
    words: str
    source: str


_ROWS = (
    Row(Meaning.WHOLE, "stop", "OpenAI API reference, chat completion chunk"),
    Row(Meaning.CUT_AT_LIMIT, "length", "OpenAI API reference, chat completion chunk"),
    Row(Meaning.FILTERED, "content_filter", "OpenAI API reference, chat completion chunk"),
    Row(Meaning.TOOL_CALL, "tool_calls", "OpenAI API reference, chat completion chunk"),
    Row(Meaning.FUNCTION_CALL, "function_call", "OpenAI API reference, chat completion chunk (deprecated)"),
    Row(Meaning.WHOLE, "end_turn stop_sequence pause_turn", "Anthropic API reference, stop_reason"),
    Row(Meaning.CUT_AT_LIMIT, "max_tokens", "Anthropic API reference, stop_reason; Gemini FinishReason"),
    Row(Meaning.TOOL_CALL, "tool_use", "Anthropic API reference, stop_reason"),
    Row(Meaning.FILTERED, "refusal", "Anthropic API reference, stop_reason"),
    Row(Meaning.CUT_AT_LIMIT, "model_context_window_exceeded", "Anthropic API reference, stop_reason"),
    Row(Meaning.WHOLE, "finish_reason_stop", "Gemini FinishReason behind gateways"),
    Row(Meaning.CUT_AT_LIMIT, "finish_reason_max_tokens", "Gemini FinishReason behind gateways"),
    Row(Meaning.FILTERED, "safety recitation language blocklist prohibited_content spii image_safety",
        "Gemini FinishReason"),
    Row(Meaning.FAILED, "malformed_function_call unexpected_tool_call malformed_response missing_thought_signature"
        " too_many_tool_calls", "Gemini FinishReason"),
    Row(Meaning.WHOLE, "complete", "Cohere API reference, finish_reason"),
    Row(Meaning.FILTERED, "error_toxic", "Cohere API reference, finish_reason"),
    Row(Meaning.CUT_AT_LIMIT, "error_limit", "Cohere API reference, finish_reason"),
    Row(Meaning.WHOLE, "eos", "Together; text-generation-inference"),
    Row(Meaning.WHOLE, "eos_token", "text-generation-inference FinishReason"),
    Row(Meaning.WHOLE, "stop_token", "Fireworks; AI21"),
    Row(Meaning.WHOLE, "stop_id", "SambaNova"),
    Row(Meaning.WHOLE, "endoftext", "AI21 Jurassic, finishReason"),
    Row(Meaning.CUT_AT_LIMIT, "max_length", "Replicate and older vLLM gateways"),
    Row(Meaning.CUT_AT_LIMIT, "model_length", "Mistral API reference, finish_reason"),
    Row(Meaning.CUT_AT_LIMIT, "max_output_tokens", "OpenAI Responses, incomplete_details.reason, behind gateways"),
    Row(Meaning.FILTERED, "sensitive", "Zhipu BigModel API reference, finish_reason"),
    Row(Meaning.FAILED, "network_error", "Zhipu BigModel API reference, finish_reason"),
    Row(Meaning.FAILED, "insufficient_system_resource", "DeepSeek API reference, finish_reason"),
    Row(Meaning.FAILED, "abort", "vLLM and SGLang, FinishReason.ABORT"),
    Row(Meaning.FAILED, "aborted", "gateways before vLLM"),
    Row(Meaning.FAILED, "cancelled canceled timeout", "gateways"),
    Row(Meaning.FAILED, "error", "OpenRouter documentation, errors in a stream; vLLM FinishReason.ERROR"),
    Row(Meaning.FAILED, "failed userstopped modelunloaded", "LM Studio SDK, LLMPredictionStopReason"),
    Row(Meaning.WHOLE, "eosfound stopstringfound", "LM Studio SDK, LLMPredictionStopReason"),
    Row(Meaning.TOOL_CALL, "toolcalls", "LM Studio SDK, LLMPredictionStopReason"),
    Row(Meaning.CUT_AT_LIMIT, "maxpredictedtokensreached contextlengthreached",
        "LM Studio SDK, LLMPredictionStopReason"),
    Row(Meaning.CUT_AT_LIMIT, "compaction", "LiteLLM, core_helpers.py, _FINISH_REASON_MAP"),
    Row(Meaning.FAILED, "error_finish", "LiteLLM, core_helpers.py, _FINISH_REASON_MAP"),
    Row(Meaning.FILTERED, "guardrail_intervened content_filtered", "Amazon Bedrock, stopReason"),
    Row(Meaning.FILTERED, "model_armor escalation", "Vertex AI behind gateways; simstudioai/sim#6302"),
    Row(Meaning.FILTERED, "content-filter", "Vercel AI SDK gateways"),
    Row(Meaning.TOOL_CALL, "tool-calls", "Vercel AI SDK gateways"),
    Row(Meaning.FAILED, "cancel", "SGLang and gateways"),
)  # fmt: skip

_MEANINGS = {word: row.meaning for row in _ROWS for word in row.words.split()}

_SAYS_FAILURE = re.compile(
    r"error|fail|abort|cancel|time.?out|interrupt|terminat|overload|unavailable|insufficient|crash"
)
"""A word that no row has says failure if it holds one of these, such as `server_error`."""

_NONE = frozenset((None, "", "null", "none", "finish_reason_unspecified", "unspecified"))
"""Instead of null, some send an empty or a quoted one in every chunk but the last, Gemini its unspecified one."""


def read_finish_reason(word: str | None) -> tuple[str | None, Meaning | None]:
    """A finish_reason in OpenAI's words, and its meaning. An unknown word is kept, and its meaning is None."""
    if word is None or word.lower() in _NONE:
        return None, None
    meaning = _MEANINGS.get(word.lower())
    if meaning is None and _SAYS_FAILURE.search(word.lower()):
        meaning = Meaning.FAILED
    if meaning is None or meaning is Meaning.FAILED:
        return word, meaning
    return meaning.value, meaning

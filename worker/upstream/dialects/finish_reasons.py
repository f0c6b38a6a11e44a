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
    """A word, in lower case, and what it means."""

    word: str
    meaning: Meaning
    source: str


_ROWS = (
    Row("stop", Meaning.WHOLE, "OpenAI API reference, chat completion chunk"),
    Row("length", Meaning.CUT_AT_LIMIT, "OpenAI API reference, chat completion chunk"),
    Row("content_filter", Meaning.FILTERED, "OpenAI API reference, chat completion chunk"),
    Row("tool_calls", Meaning.TOOL_CALL, "OpenAI API reference, chat completion chunk"),
    Row("function_call", Meaning.FUNCTION_CALL, "OpenAI API reference, chat completion chunk (deprecated)"),
    Row("end_turn", Meaning.WHOLE, "Anthropic API reference, stop_reason"),
    Row("stop_sequence", Meaning.WHOLE, "Anthropic API reference, stop_reason"),
    Row("pause_turn", Meaning.WHOLE, "Anthropic API reference, stop_reason"),
    Row("max_tokens", Meaning.CUT_AT_LIMIT, "Anthropic API reference, stop_reason; Gemini FinishReason"),
    Row("tool_use", Meaning.TOOL_CALL, "Anthropic API reference, stop_reason"),
    Row("refusal", Meaning.FILTERED, "Anthropic API reference, stop_reason"),
    Row("model_context_window_exceeded", Meaning.CUT_AT_LIMIT, "Anthropic API reference, stop_reason"),
    Row("finish_reason_stop", Meaning.WHOLE, "Gemini FinishReason behind gateways"),
    Row("finish_reason_max_tokens", Meaning.CUT_AT_LIMIT, "Gemini FinishReason behind gateways"),
    Row("safety", Meaning.FILTERED, "Gemini FinishReason"),
    Row("recitation", Meaning.FILTERED, "Gemini FinishReason"),
    Row("language", Meaning.FILTERED, "Gemini FinishReason"),
    Row("blocklist", Meaning.FILTERED, "Gemini FinishReason"),
    Row("prohibited_content", Meaning.FILTERED, "Gemini FinishReason"),
    Row("spii", Meaning.FILTERED, "Gemini FinishReason"),
    Row("image_safety", Meaning.FILTERED, "Gemini FinishReason"),
    Row("malformed_function_call", Meaning.FAILED, "Gemini FinishReason"),
    Row("complete", Meaning.WHOLE, "Cohere API reference, finish_reason"),
    Row("error_toxic", Meaning.FILTERED, "Cohere API reference, finish_reason"),
    Row("error_limit", Meaning.CUT_AT_LIMIT, "Cohere API reference, finish_reason"),
    Row("eos", Meaning.WHOLE, "Together; text-generation-inference"),
    Row("eos_token", Meaning.WHOLE, "text-generation-inference FinishReason"),
    Row("stop_token", Meaning.WHOLE, "Fireworks; AI21"),
    Row("stop_id", Meaning.WHOLE, "SambaNova"),
    Row("endoftext", Meaning.WHOLE, "AI21 Jurassic, finishReason"),
    Row("max_length", Meaning.CUT_AT_LIMIT, "Replicate and older vLLM gateways"),
    Row("model_length", Meaning.CUT_AT_LIMIT, "Mistral API reference, finish_reason"),
    Row("max_output_tokens", Meaning.CUT_AT_LIMIT, "OpenAI Responses, incomplete_details.reason, behind gateways"),
    Row("sensitive", Meaning.FILTERED, "Zhipu BigModel API reference, finish_reason"),
    Row("network_error", Meaning.FAILED, "Zhipu BigModel API reference, finish_reason"),
    Row("insufficient_system_resource", Meaning.FAILED, "DeepSeek API reference, finish_reason"),
    Row("abort", Meaning.FAILED, "vLLM and SGLang, FinishReason.ABORT"),
    Row("aborted", Meaning.FAILED, "gateways before vLLM"),
    Row("cancelled", Meaning.FAILED, "gateways"),
    Row("canceled", Meaning.FAILED, "gateways"),
    Row("error", Meaning.FAILED, "OpenRouter documentation, errors in a stream; vLLM FinishReason.ERROR"),
    Row("failed", Meaning.FAILED, "LM Studio SDK, LLMPredictionStopReason"),
    Row("userstopped", Meaning.FAILED, "LM Studio SDK, LLMPredictionStopReason"),
    Row("modelunloaded", Meaning.FAILED, "LM Studio SDK, LLMPredictionStopReason"),
    Row("eosfound", Meaning.WHOLE, "LM Studio SDK, LLMPredictionStopReason"),
    Row("stopstringfound", Meaning.WHOLE, "LM Studio SDK, LLMPredictionStopReason"),
    Row("toolcalls", Meaning.TOOL_CALL, "LM Studio SDK, LLMPredictionStopReason"),
    Row("maxpredictedtokensreached", Meaning.CUT_AT_LIMIT, "LM Studio SDK, LLMPredictionStopReason"),
    Row("contextlengthreached", Meaning.CUT_AT_LIMIT, "LM Studio SDK, LLMPredictionStopReason"),
    Row("compaction", Meaning.CUT_AT_LIMIT, "LiteLLM, core_helpers.py, _FINISH_REASON_MAP"),
    Row("error_finish", Meaning.FAILED, "LiteLLM, core_helpers.py, _FINISH_REASON_MAP"),
    Row("guardrail_intervened", Meaning.FILTERED, "Amazon Bedrock, stopReason"),
    Row("model_armor", Meaning.FILTERED, "Vertex AI behind gateways; simstudioai/sim#6302"),
    Row("escalation", Meaning.FILTERED, "Vertex AI behind gateways; simstudioai/sim#6302"),
    Row("content_filtered", Meaning.FILTERED, "Amazon Bedrock, stopReason"),
    Row("content-filter", Meaning.FILTERED, "Vercel AI SDK gateways"),
    Row("tool-calls", Meaning.TOOL_CALL, "Vercel AI SDK gateways"),
    Row("unexpected_tool_call", Meaning.FAILED, "Gemini FinishReason"),
    Row("malformed_response", Meaning.FAILED, "Gemini FinishReason"),
    Row("missing_thought_signature", Meaning.FAILED, "Gemini FinishReason"),
    Row("too_many_tool_calls", Meaning.FAILED, "Gemini FinishReason"),
    Row("cancel", Meaning.FAILED, "SGLang and gateways"),
    Row("timeout", Meaning.FAILED, "gateways"),
)

_MEANINGS = {row.word: row.meaning for row in _ROWS}

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

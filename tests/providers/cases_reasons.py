"""Kind B: what a finish_reason means. Words of failure are retried, dialects known; unknown words end the answer."""

from tests.providers.case import Case, Fails, Whole, answer, case, stream, usage
from tests.upstream.scripted_upstream import DONE, chunk, event, text

HALF = "The history of tea begins in the year"
ABORTED = "upstream_aborted"

FAILURES = {
    "abort": "vllm-project/vllm#57082",
    "insufficient_system_resource": "can1357/oh-my-pi#8563",
    "network_error": "promptfoo/promptfoo#9905",
    "MALFORMED_RESPONSE": "BerriAI/litellm: core_helpers.py, `_FINISH_REASON_MAP`",
    "failed": "lmstudio-ai: `LLMPredictionStopReason`",
    # No provider's list holds these two; they say failure all the same.
    "server_error": "issue 11, kind B",
    "engine_timeout": "issue 11, kind B",
    "modelUnloaded": "lmstudio-ai: `LLMPredictionStopReason`",
}
DIALECTS = {
    "STOP": ("stop", "QwenLM/qwen-code#9884"),
    "end_turn": ("stop", "BerriAI/litellm: core_helpers.py, `_FINISH_REASON_MAP`"),
    "stop_sequence": ("stop", "BerriAI/litellm: core_helpers.py, `_FINISH_REASON_MAP`"),
    "eos": ("stop", "BerriAI/litellm: core_helpers.py, `_FINISH_REASON_MAP`"),
    "eos_token": ("stop", "BerriAI/litellm: core_helpers.py, `_FINISH_REASON_MAP`"),
    "COMPLETE": ("stop", "BerriAI/litellm: core_helpers.py, `_FINISH_REASON_MAP`"),
    "eosFound": ("stop", "lmstudio-ai: `LLMPredictionStopReason`"),
    "max_tokens": ("length", "BerriAI/litellm: core_helpers.py, `_FINISH_REASON_MAP`"),
    "MAX_TOKENS": ("length", "QwenLM/qwen-code#9884"),
    "model_context_window_exceeded": ("length", "mozilla-ai/any-llm#1200"),
    "maxPredictedTokensReached": ("length", "lmstudio-ai: `LLMPredictionStopReason`"),
    "SAFETY": ("content_filter", "googleapis/js-genai: `FinishReason`"),
    "RECITATION": ("content_filter", "googleapis/js-genai: `FinishReason`"),
    "sensitive": ("content_filter", "BerriAI/litellm#24373"),
    "content-filter": ("content_filter", "vercel/ai: `LanguageModelV1FinishReason`"),
    "model_armor": ("content_filter", "simstudioai/sim#6302"),
    "escalation": ("content_filter", "simstudioai/sim#6302"),
    "guardrail_intervened": ("content_filter", "BerriAI/litellm: core_helpers.py, `_FINISH_REASON_MAP`"),
}

FAILING: list[Case] = [
    case(
        "B",
        f"ended by {word}",
        source,
        stream(text(HALF), chunk({}, word), DONE),
        Fails(ABORTED, says=(word,), given=HALF),
    )
    for word, source in FAILURES.items()
]
ENDING: list[Case] = [
    case(
        "B",
        f"{word} is {meant}",
        source,
        stream(text("Tea."), chunk({}, word), DONE),
        Whole("Tea.", meant, message={"finish_reason": word}),
    )
    for word, (meant, source) in DIALECTS.items()
]
MORE = [
    case(
        "B",
        "abort beside the last text",
        "vllm-project/vllm#57082",
        stream(chunk({"content": HALF}, "abort"), DONE),
        Fails(ABORTED, given=HALF),
    ),
    case(
        "B",
        "a failure before any text is no empty completion",
        "can1357/oh-my-pi#8563",
        stream(chunk({}, "insufficient_system_resource"), DONE),
        Fails(ABORTED),
    ),
    case(
        "B",
        "abort in an answer that came whole",
        "vllm-project/vllm#57082",
        answer(200, {"choices": [{"index": 0, "message": {"content": HALF}, "finish_reason": "abort"}]}),
        Fails(ABORTED, given=HALF),
    ),
    case(
        "B",
        "a word nobody knows ends the answer and is kept",
        "googleapis/js-genai: `FinishReason`",
        stream(text("Tea."), chunk({}, "OTHER"), DONE),
        Whole("Tea.", "OTHER"),
    ),
    case(
        "B",
        "cut at the token limit in mid-sentence",
        "ralphgrewe/TradingAgents#171",
        stream(text(HALF), chunk({}, "length"), DONE),
        Whole(HALF, "length"),
    ),
    case(
        "B",
        "reasoning used up the budget",
        "faratech/bsod-analyzer#88",
        stream(
            *(chunk({"reasoning_content": "Let me think. "}) for _ in range(3)),
            chunk({}, "length"),
            event({"choices": [], "usage": usage(11, 64, completion_tokens_details={"reasoning_tokens": 64})}),
            DONE,
        ),
        Fails("upstream_reasoning_used_budget", retryable=False, says=("64 of 64",)),
        body={"max_tokens": 64},
    ),
    case(
        "B",
        "the budget used up, content left out, words in upper case",
        "QwenLM/qwen-code#9884",
        answer(
            200,
            {
                "choices": [{"message": {"role": "assistant"}, "index": 0, "finish_reason": "MAX_TOKENS"}],
                "usage": usage(9, 5),
                "object": "chat.completion.chunk",
            },
        ),
        Fails("upstream_reasoning_used_budget", retryable=False),
        body={"max_tokens": 8},
    ),
    case(
        "B",
        "filtered before any text",
        "googleapis/js-genai: `FinishReason`",
        stream(chunk({"content": ""}, "content_filter"), DONE),
        Fails("upstream_content_filtered", retryable=False),
    ),
    case(
        "B",
        "filtered before any text, by another word",
        "promptfoo/promptfoo#9905",
        stream(chunk({}, "sensitive"), DONE),
        Fails("upstream_content_filtered", retryable=False),
    ),
    case(
        "B",
        "stop and no text at all",
        "lmstudio-ai/lmstudio-bug-tracker#2339",
        stream(chunk({"role": "assistant", "content": ""}), chunk({}, "stop"), DONE),
        Fails("upstream_empty_completion"),
    ),
    case(
        "B",
        "stop and nothing but reasoning",
        "tetsuo-ai/agenc-core#2492",
        stream(chunk({"reasoning_content": "They want tea."}), chunk({}, "stop"), DONE),
        Fails("upstream_empty_completion"),
    ),
    case(
        "B",
        "the stop string in `stop_reason` is no reason",
        "vllm-project/vllm: `stop_reason` names the stop string",
        stream(
            text("Tea."),
            event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": "error"}]}),
            DONE,
        ),
        Whole("Tea."),
    ),
]
BEHIND = [
    case(
        "B",
        "a failure, and the gateway's own stop behind it",
        "promptfoo/promptfoo#9905",
        stream(text(HALF), chunk({}, "network_error"), chunk({}, "stop"), DONE),
        Fails(ABORTED, given=HALF),
    ),
    case(
        "B",
        "the token limit, and the gateway's own stop behind it",
        "envoyproxy/ai-gateway#2107",
        stream(text(HALF), chunk({}, "length"), chunk({}, "stop"), DONE),
        Whole(HALF, "length"),
    ),
    case(
        "B",
        "the token limit in every chunk, and at last a stop beside text",
        "envoyproxy/ai-gateway#2107",
        stream(chunk({"content": HALF}, "length"), chunk({"content": " 2737."}, "stop"), DONE),
        Whole(HALF + " 2737."),
    ),
]

CASES = [*FAILING, *ENDING, *MORE, *BEHIND]

"""The names under which token counts come."""

USAGE_FIELDS = ("usage", "usage_metadata", "usageMetadata")
"""Where they stand: in the chunk, in its first choice, or in `x_groq` (Groq)."""

NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "input_tokens": (
        ("prompt_tokens",),  # OpenAI
        ("input_tokens",),  # Anthropic, OpenAI Responses, DashScope
        ("prompt_eval_count",),  # Ollama
        ("promptTokenCount",),  # Gemini
    ),
    "cached_tokens": (
        ("prompt_tokens_details", "cached_tokens"),  # OpenAI
        ("input_tokens_details", "cached_tokens"),  # OpenAI Responses
        ("prompt_cache_hit_tokens",),  # DeepSeek
        ("cache_read_input_tokens",),  # Anthropic
        ("cached_tokens",),  # Moonshot
        ("cachedContentTokenCount",),  # Gemini
    ),
    "output_tokens": (
        ("completion_tokens",),  # OpenAI
        ("output_tokens",),  # Anthropic, OpenAI Responses, DashScope
        ("eval_count",),  # Ollama
        ("candidatesTokenCount",),  # Gemini
    ),
    "reasoning_tokens": (
        ("completion_tokens_details", "reasoning_tokens"),  # OpenAI
        ("output_tokens_details", "reasoning_tokens"),  # OpenAI Responses
        ("reasoning_tokens",),  # xAI behind gateways, SiliconFlow
        ("thoughtsTokenCount",),  # Gemini
    ),
    "total_tokens": (("total_tokens",), ("totalTokenCount",)),  # OpenAI; Gemini
}
"""For each count, the paths to it, the most usual first."""

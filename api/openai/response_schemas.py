"""What the OpenAPI page says of the requests for Responses."""

from typing import Any

_REASONING = {"effort": {"type": "string"}, "summary": {"type": "string"}}
_FORMAT = {
    "type": "object",
    "required": ["type"],
    "properties": {
        "type": {"enum": ["text", "json_object", "json_schema"]},
        "name": {"type": "string"},
        "schema": {"type": "object"},
        "strict": {"type": "boolean"},
    },
}
_FUNCTION = {
    "type": "object",
    "required": ["type", "name"],
    "properties": {
        "type": {"enum": ["function"]},
        "name": {"type": "string", "minLength": 1},
        "description": {"type": "string"},
        "parameters": {"type": "object"},
        "strict": {"type": "boolean"},
    },
}
_INPUT: dict[str, Any] = {
    "model": {"type": "string", "minLength": 1, "maxLength": 256},
    "input": {
        "description": 'A text, or a list of items: messages such as `{"role": "user", "content": "..."}`, reasoning'
        " items (left out), `function_call` and `function_call_output`, and `item_reference` to an item that is stored"
        " here."
    },
    "instructions": {"type": "string"},
    "previous_response_id": {"type": "string"},
    "reasoning": {"type": "object", "properties": _REASONING},
    "text": {"type": "object", "properties": {"format": _FORMAT, "verbosity": {"enum": ["low", "medium", "high"]}}},
    "truncation": {"enum": ["auto", "disabled"]},
    "tools": {"type": "array", "items": _FUNCTION},
    "tool_choice": {"anyOf": [{"enum": ["auto", "none", "required"]}, _FUNCTION]},
    "parallel_tool_calls": {"type": "boolean"},
}

INPUT_TOKENS_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["model"],
    "additionalProperties": False,
    "properties": _INPUT,
    "example": {"model": "gpt-4o-mini", "input": "Write 800 words about the pencil."},
}

RESPONSE_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["model", "input"],
    "additionalProperties": False,
    "properties": {
        **_INPUT,
        "background": {"type": "boolean"},
        "stream": {"type": "boolean"},
        "stream_options": {"type": "object", "properties": {"include_obfuscation": {"enum": [False]}}},
        "store": {"type": "boolean", "description": "False: it is deleted once its answer has been sent."},
        "include": {"type": "array", "items": {"type": "string"}, "description": "Taken and without an effect."},
        "max_output_tokens": {"type": "integer", "minimum": 1},
        "max_tool_calls": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "top_logprobs": {"enum": [0]},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "user": {"type": "string"},
        "safety_identifier": {"type": "string"},
        "prompt_cache_key": {"type": "string"},
        "prompt_cache_retention": {"type": "string"},
        "service_tier": {"type": "string"},
    },
    "example": {"model": "gpt-4o-mini", "input": "Write 800 words about the pencil.", "background": True},
}

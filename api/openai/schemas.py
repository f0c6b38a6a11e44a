"""What the OpenAPI page says of files and Responses."""

from typing import Any, Literal

from api.schemas.base import Described, Page


class FileObject(Described):
    """OpenAI's File object. Times are whole Unix seconds."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Literal["batch", "batch_output"]
    status: Literal["processed"]
    status_details: None


class FileList(Page):
    """A page of files. Go on with `after=<last_id>` while `has_more`."""

    data: list[FileObject]


class DeletedFile(Described):
    """The answer to a deletion."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]


class InputItemList(Described):
    """A page of the items that a Response was written after."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    first_id: str
    last_id: str
    has_more: bool


class InputTokens(Described):
    """How many tokens an input has."""

    object: Literal["response.input_tokens"]
    input_tokens: int


PROMPT_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["model", "prompt"],
    "additionalProperties": True,
    "properties": {
        "model": {"type": "string", "minLength": 1, "maxLength": 256},
        "prompt": {
            "oneOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "string", "minLength": 1}},
            ]
        },
        "max_tokens": {"type": "integer", "minimum": 1},
        "stream": {"type": "boolean"},
    },
    "example": {"model": "gpt-4o-mini", "prompt": "Write 100 words about the pencil."},
}


FILE_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "One request a line, as JSON."},
                        "purpose": {"type": "string", "enum": ["batch"]},
                        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
                        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
                    },
                }
            }
        },
    }
}

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
        "store": {"type": "boolean", "description": "False: it is deleted once its client has the answer."},
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

"""What the OpenAPI page says of files and Responses."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.waiting import Described


class FileObject(Described):
    """OpenAI's File object. Times are whole Unix seconds."""

    id: str
    object: Literal["file"]
    bytes: int | None = Field(description="Null in a list: the output of a batch that was not counted yet.")
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Literal["batch", "batch_output"]
    status: Literal["processed"]
    status_details: None


class FileList(Described):
    """A page of files. Go on with `after=<last_id>` while `has_more`."""

    object: Literal["list"]
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedFile(Described):
    """The answer to a deletion."""

    id: str
    object: Literal["file"]
    deleted: Literal[True]


RESPONSE_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["model", "input"],
    "additionalProperties": False,
    "properties": {
        "model": {"type": "string", "maxLength": 256},
        "input": {"description": 'A text, or a list of messages such as `{"role": "user", "content": "..."}`.'},
        "instructions": {"type": "string"},
        "previous_response_id": {"type": "string"},
        "background": {"type": "boolean"},
        "stream": {"type": "boolean"},
        "stream_options": {"type": "object", "properties": {"include_obfuscation": {"enum": [False]}}},
        "store": {"enum": [True]},
        "max_output_tokens": {"type": "integer", "minimum": 1},
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": {"type": "number", "minimum": 0, "maximum": 1},
        "reasoning": {"type": "object", "properties": {"effort": {"type": "string"}}},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "user": {"type": "string"},
        "text": {"type": "object", "properties": {"format": {"enum": [{"type": "text"}]}}},
        "truncation": {"enum": ["disabled"]},
        "service_tier": {"enum": ["auto", "default"]},
        "tools": {"type": "array", "maxItems": 0},
        "tool_choice": {"enum": ["auto", "none"]},
        "parallel_tool_calls": {"type": "boolean"},
    },
    "example": {"model": "gpt-4o-mini", "input": "Write 800 words about the pencil.", "background": True},
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

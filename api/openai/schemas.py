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

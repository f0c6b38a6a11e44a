"""What the OpenAPI page says about request bodies."""

from typing import Any

from jobs.model.retention import CREATED, ENDED, LONGEST_SECONDS, SHORTEST_SECONDS

_PATTERNS: dict[str, Any] = {
    "type": "array",
    "minItems": 1,
    "maxItems": 32,
    "items": {"anyOf": [
        {"type": "string", "maxLength": 1000},
        {"type": "object", "required": ["pattern"], "properties": {"pattern": {"type": "string", "maxLength": 1000}}},
    ]},
    "description": "Texts, as they are written, and patterns of RE2.",
}  # fmt: skip

_OWN: dict[str, Any] = {
    "metadata": {
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 512},
        "maxProperties": 16,
        "description": "Up to 16 pairs to find the job by: `GET /v1/jobs?metadata.<key>=<value>`.",
    },
    "priority": {"type": "integer", "minimum": -100, "maximum": 100, "default": 0, "description": "Higher is sooner."},
    "max_attempts": {"type": "integer", "minimum": 1, "maximum": 20, "default": 3},
    "on_interrupt": {
        "type": "string",
        "enum": ["restart", "continue"],
        "default": "restart",
        "description": "What an attempt does with the text of an interrupted one: start again, or continue it.",
    },
    "on_length": {
        "type": "string",
        "enum": ["stop", "continue"],
        "default": "stop",
        "description": "What happens at the upstream's token limit: the text ends as incomplete, or its rest is asked"
        " for, again and again.",
    },
    "max_continuations": {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 8,
        "description": "How often the rest is asked for, with `on_length: continue`.",
    },
    "upstream": {"type": "string", "description": "The one upstream that may write; without it any that can."},
    "accept": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "min_words": {"type": "integer", "minimum": 1},
            "max_words": {"type": "integer", "minimum": 1},
            "json_schema": {"type": "object"},
            "must_include": _PATTERNS,
            "must_not_include": _PATTERNS,
            "ends_well": {"type": "boolean", "description": "With a whole sentence, code block, table or list."},
            "language": {"type": "string", "description": "The ISO 639-1 code of the language of most of the text."},
        },
        "description": "What the text must satisfy. One that does not ends its attempt as `not_accepted`.",
        "example": {"min_words": 300, "must_include": ["tea", {"pattern": "(?i)green|black"}], "ends_well": True},
    },
    "on_reject": {
        "type": "string",
        "enum": ["fail", "retry", "repair"],
        "default": "fail",
        "description": "What becomes of a text that is not accepted: the job fails, it is written anew (charged against"
        " `max_attempts`), or the model is asked to repair it, up to `max_repairs` times.",
    },
    "max_repairs": {"type": "integer", "minimum": 1, "maximum": 20, "default": 2},
}

_CUSTOM_ID = {"type": "string", "maxLength": 512, "description": "Your own name for the job."}

_INPUT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "model": {"type": "string", "description": "For the requests that name none."},
        "template": {"type": "string", "description": "The prompt for each row of a table: `Write about {topic}`."},
        "encoding": {"type": "string", "description": "Such as `gb18030`. Without it, it is found."},
        "delimiter": {"type": "string", "description": "What parts the cells of a table. Without it, it is found."},
        "id_column": {"type": "string", "description": "The column with each row's `custom_id`."},
        "skip": {"type": "integer", "minimum": 0, "description": "Leave out so many requests at the beginning."},
        "take": {"type": "integer", "minimum": 1, "description": "Take at most so many: for a trial of the first."},
    },
    "description": "How the file is to be read: as a table (.csv, .tsv), as prompts (.txt), or as JSON lines in any of"
    " their forms. Without it the file is in OpenAI's form, where every line has a `custom_id`.",
}

_DEFAULTS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": True,
    "properties": {"system": {"type": "string", "description": "The system prompt."}},
    "description": "What each request's body is merged over: any of its fields, and `system`. A field of the body wins,"
    " a null in it takes a default away, and the messages of the defaults come before its own.",
    "example": {"model": "gpt-4o-mini", "system": "You write for a magazine.", "temperature": 0.7},
}

INPUT_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["input_file_id"],
    "additionalProperties": False,
    "properties": {
        "input_file_id": {"type": "string", "description": "An uploaded file."},
        "input": _INPUT,
        "defaults": _DEFAULTS,
        "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Look at so many requests only."},
    },
    "example": {"input_file_id": "file_...", "input": {"model": "gpt-4o-mini", "template": "Write about {topic}."}},
}

_EXPIRES_AFTER: dict[str, Any] = {
    "type": "object",
    "required": ["anchor", "seconds"],
    "additionalProperties": False,
    "properties": {
        "anchor": {"type": "string", "enum": [ENDED, CREATED]},
        "seconds": {"type": "integer", "minimum": SHORTEST_SECONDS, "maximum": LONGEST_SECONDS},
    },
    "description": "How long after its end or its submission it is deleted with all that belongs to it; never before"
    " its end. Without it the default of the project holds.",
}

JOB_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["model", "messages"],
    "additionalProperties": True,
    "properties": {
        "model": {"type": "string", "maxLength": 256},
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["role"], "properties": {"role": {"type": "string"}}},
        },
        "custom_id": _CUSTOM_ID,
        "expires_after": _EXPIRES_AFTER,
        **_OWN,
    },
    "example": {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Write 800 words about the history of the pencil."}],
        "temperature": 0.7,
        "custom_id": "pencil",
        "metadata": {"series": "tools"},
    },
}

BATCH_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["requests"],
    "properties": {
        "requests": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["body"],
                "properties": {
                    "custom_id": {**_CUSTOM_ID, "description": "Your own name for the job, unique in the batch."},
                    "cells": {
                        "type": "object",
                        "additionalProperties": {"type": "string"},
                        "description": "The row of a table that it is made of, by column: kept, and exported with its"
                        " text. All requests of a batch have the same columns.",
                        "example": {"topic": "pencils", "words": "800"},
                    },
                    "body": {name: value for name, value in JOB_BODY.items() if name != "example"},
                },
            },
        },
        "input_file_id": {"type": "string", "description": "Instead of `requests`: an uploaded file of them."},
        "input": _INPUT,
        "defaults": _DEFAULTS,
        "endpoint": {"type": "string", "enum": ["/v1/chat/completions", "/v1/responses"]},
        "completion_window": {"type": "string", "pattern": "^[1-9][0-9]{0,5}[smhd]$", "example": "24h"},
        "max_concurrency": {"type": "integer", "minimum": 1, "description": "So many of its jobs run at once."},
        "output_expires_after": {
            "type": "object",
            "required": ["anchor", "seconds"],
            "properties": {
                "anchor": {"type": "string", "enum": ["created_at"]},
                "seconds": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
            },
            "description": "For how long the output files are kept. The jobs and their texts stay.",
        },
        "expires_after": _EXPIRES_AFTER,
        "webhook": {
            "type": "object",
            "required": ["url"],
            "additionalProperties": False,
            "properties": {
                "url": {"type": "string"},
                "events": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            },
            "description": "Whom to tell of the batch's end: the answer has the secret that signs.",
        },
        **_OWN,
    },
    "example": {
        "requests": [
            {"custom_id": "pencil", "body": {"model": "gpt-4o-mini", "messages": [
                {"role": "user", "content": "Write about pencils."}]}},
            {"custom_id": "ink", "body": {"model": "gpt-4o-mini", "messages": [
                {"role": "user", "content": "Write about ink."}]}},
        ],
        "metadata": {"series": "tools"},
        "completion_window": "24h",
    },
}  # fmt: skip


RETRY_BODY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "which": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "enum": ["failed", "expired", "cancelled", "incomplete"]},
            "default": ["failed", "expired"],
            "description": "Which ended jobs to run again. `incomplete`: completed, but the text was cut short.",
        },
        "statuses": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "enum": ["failed", "expired", "cancelled"]},
            "deprecated": True,
            "description": "The older name of `which`.",
        },
    },
}


def request_body(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """What FastAPI adds to an operation whose body it does not read itself."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}}

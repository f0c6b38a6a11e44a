"""Decodes one request of a JSON text, and says what to do if it is not JSON."""

import json
import re
from typing import Any, NoReturn

from jobs.inputs.mistakes import MistakeError

_PYTHON = re.compile(rb"""^\{\s*'|[:\[,]\s*(?:True|False|None)\s*[,\]}]""")
_TRAILING_COMMA = re.compile(rb",\s*[}\]]")
_CONSTANT = re.compile(rb"[:\[,]\s*(?:NaN|-?Infinity)\b")


def decode_object(content: bytes) -> dict[str, Any]:
    """The object that a line holds. Raises `MistakeError`."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        reason = f"the line is not UTF-8: its byte {error.start + 1} is 0x{content[error.start]:02x}"
        raise MistakeError("invalid_json_line", reason, "save the file as UTF-8, or name its encoding") from None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MistakeError("invalid_json_line", f"not JSON: {error}", json_remedy(content)) from None
    if not isinstance(value, dict):
        remedy = 'write {"prompt": "..."} or a line of an OpenAI batch file'
        raise MistakeError("invalid_json_line", "not a JSON object", remedy)
    return value


def json_remedy(content: bytes) -> str:
    """What to do about a line that is not JSON."""
    if _CONSTANT.search(content):
        return "leave the field out, or write null"
    if _PYTHON.search(content):
        return "this is how Python prints a dict: write it with json.dumps"
    if _TRAILING_COMMA.search(content):
        return "leave out the comma before a closing bracket"
    return "each line must be one whole JSON object"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")

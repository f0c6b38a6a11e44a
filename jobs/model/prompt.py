"""The prompt of a request, as people are shown it: the page has the same rule (`names.js`)."""

from collections.abc import Mapping
from typing import Any


def prompt_of(request: Mapping[str, Any]) -> str:
    """What the last message of the user says; of one with parts, their texts."""
    asked = [message.get("content") for message in request.get("messages") or () if message.get("role") == "user"]
    content = asked[-1] if asked else None
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if isinstance(part.get("text"), str))
    return content if isinstance(content, str) else ""

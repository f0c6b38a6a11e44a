"""Continues an interrupted text: builds the request for the rest of it, in the form that the upstream accepts."""

from collections.abc import Mapping
from typing import Any, Literal

PrefixForm = Literal["none", "assistant", "prefix", "continue_final_message"]

_LIMITS = ("max_tokens", "max_completion_tokens")


def continue_request(request: Mapping[str, Any], text: str, written_tokens: int, form: PrefixForm) -> dict[str, Any]:
    """The chat-completions body that asks for what comes after `text`.

    `assistant` sends the text as a last assistant message, which the upstream continues. `prefix` marks that
    message with `"prefix": true` (DeepSeek, Mistral); `continue_final_message` sets vLLM's two fields. A limit on
    tokens counts for the whole text, so what is already written is subtracted.
    """
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if form == "prefix":
        message["prefix"] = True
    body = {**request, "messages": [*request.get("messages", []), message]}
    if form == "continue_final_message":
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    for limit in _LIMITS:
        if isinstance(body.get(limit), int):
            body[limit] = max(1, body[limit] - written_tokens)
    return body

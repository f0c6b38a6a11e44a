"""Continues an interrupted text: builds the request for the rest of it, in the form that the upstream accepts."""

import re
from collections.abc import Mapping
from typing import Any

from jobs.setting_types import PrefixForm

LIMITS = ("max_tokens", "max_completion_tokens")
"""The names of the limit on tokens in a request."""

_SHOWN = 80
"""So many of the last characters are shown in the message that asks for the rest."""
_PART_OF_WORD = re.compile(r"\S{1,40}\s+(?=\S)")
"""The rest of a word. Not in Thai or Chinese: their words have no spaces between them, and a repetition is long."""


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
    return _with_what_is_left(body, written_tokens)


def ask_for_the_rest(request: Mapping[str, Any], text: str, written_tokens: int) -> dict[str, Any]:
    """The body that asks for the rest in a new message, for an upstream that cannot continue its own message.

    The answer is asked to begin with the last words, which show where it goes on; `worker/rest.py` finds them. They
    are shown raw: models copy what they see, and an escaped quotation mark or half-space with it.
    """
    asked = (
        "Your answer was cut off at a length limit. Write the rest of it. Begin by repeating your last words exactly as"
        f' they stand, which are "{last_words(text)}", and go on from there: in the same sentence, language and format,'
        " with no greeting, no comment and nothing of what comes before them."
    )
    said = {"role": "assistant", "content": text}
    messages = [*request.get("messages", []), said, {"role": "user", "content": asked}]
    return _with_what_is_left({**request, "messages": messages}, written_tokens)


def last_words(text: str) -> str:
    """What the answer is asked to begin with. It begins at a word, as repetitions do."""
    shown = text[-_SHOWN:].lstrip() or text.rstrip()[-_SHOWN:]
    begin = text.rfind(shown)
    part = _PART_OF_WORD.match(shown) if begin > 0 and not text[begin - 1].isspace() else None
    return shown[part.end() :] if part else shown


def _with_what_is_left(body: dict[str, Any], written_tokens: int) -> dict[str, Any]:
    for limit in LIMITS:
        if isinstance(body.get(limit), int):
            body[limit] = max(1, body[limit] - written_tokens)
    return body

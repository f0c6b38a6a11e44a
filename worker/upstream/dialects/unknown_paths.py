"""How a server says that it knows no such path. That is about the base URL, which mostly lacks its `/v1`: no request
brings it about.
"""

import re

from worker.upstream.dialects.error_words import say_what_was_refused
from worker.upstream.dialects.shapes import sentences_of, words_of
from worker.upstream.own_words import OwnWords

_CODES = frozenset(("unknown_url",))
"""OpenAI and Groq."""

_PATH = re.compile(r"\bPOST\b[ :]{1,2}[^\s)]{0,200}/chat/completions\b", re.IGNORECASE)
"""OpenAI and one-api: "Invalid URL (POST /chat/completions)"; OpenAI and Groq: "Unknown request URL: POST ..."; LM
Studio: "Unexpected endpoint or method. (POST ...)"; NestJS: "Cannot POST ..."; Fastify: "Route POST:... not found".
"""

_NOTHING_MORE = frozenset((
    "not found", "404 not found", "page not found", "404 page not found", "method not allowed",
    "resource not found",  # Azure OpenAI
    "file not found",  # llama.cpp server
    "no route matched with those values",  # Kong
    "route not found", "404 route not found",  # APISIX
))  # fmt: skip
"""Whole sentences: what says nothing of a model says that there is no such path (FastAPI, vLLM, Spring and others)."""

_OF_ANYTHING = frozenset(("not_found", "not_found_error", "notfounderror"))
"""Codes that are said of a model as of a path."""


def names_path(found: object, own: OwnWords) -> bool:
    """Whether an error says by a code that there is no such path, or names the path that was asked for."""
    if any(code in _CODES and not own.have(code) for code in words_of(found)):
        return True
    return any(not own.have(match[0]) for said in sentences_of(found) for match in _PATH.finditer(said))


def says_only_not_found(found: object) -> bool:
    """Whether all that an error says is that something was not found, and not what. No request can bring a provider to
    say so little, so its own words are not asked.
    """
    said = [sentence.strip().rstrip(".!").lower() for sentence in sentences_of(found)]
    if say_what_was_refused(words_of(found) - _OF_ANYTHING):
        return False
    return any(each in _NOTHING_MORE for each in said) and all(each in _NOTHING_MORE or _is_code(each) for each in said)


def _is_code(said: str) -> bool:
    return " " not in said

"""How a server says that it knows no such path. That is about the base URL, which mostly lacks its `/v1`: no request
brings it about.
"""

import re
from typing import TypeGuard

from worker.upstream.dialects.error_words import say_what_was_refused
from worker.upstream.dialects.shapes import objects_of, sentences_of, words_of
from worker.upstream.own_words import OwnWords

_CODES = frozenset(("unknown_url",))
"""OpenAI and Groq."""

_PATH = re.compile(
    r"(?:invalid url|unknown request url|unexpected endpoint or method|cannot|route)[ .:(]{1,4}post[ :]{1,2}"
    r"[^\s)]{0,200}/chat/completions\b",
    re.IGNORECASE,
)
"""OpenAI and one-api: "Invalid URL (POST /chat/completions)"; OpenAI and Groq: "Unknown request URL: POST ..."; LM
Studio: "Unexpected endpoint or method. (POST ...)"; NestJS: "Cannot POST ..."; Fastify: "Route POST:... not found".
Gateways name the request of their own that failed, for whatever reason: so these are the beginnings of sentences.
"""

_NOTHING_MORE = frozenset((
    "not found", "404 not found", "page not found", "404 page not found", "method not allowed",
    "resource not found",  # Azure OpenAI
    "file not found",  # llama.cpp server
    "no route matched with those values",  # Kong
    "route not found", "404 route not found",  # APISIX
))  # fmt: skip
"""Whole sentences: what says nothing of a model says that there is no such path (FastAPI, vLLM, Spring and others)."""

_OF_ANYTHING = frozenset((
    "not_found", "not_found_error", "notfounderror", "notfound", "resource_not_found", "method_not_allowed",
    "invalid_request_error", "error", "404", "405",
))  # fmt: skip
"""Codes that are said of a model as of a path. Any other one, such as `DeploymentNotFound` or a model's name, may say
which model is unknown: a project with a wrong model must not hold the upstream for all.
"""


def names_path(found: object, own: OwnWords) -> bool:
    """Whether an error says by a code that there is no such path, or names the path that was asked for."""
    codes = words_of(found)
    if any(code in _CODES and not own.have(code) for code in codes):
        return True
    if say_what_was_refused(codes):
        return False
    matches = [_PATH.match(said) for said in sentences_of(found)]
    return any(match is not None and not own.have(match[0]) for match in matches)


def says_only_not_found(found: object, own: OwnWords) -> bool:
    """Whether all that an error says is that something was not found, and not what: not in any field the model."""
    if any(own.have_in_values(value) for each in objects_of(found) for value in each.values() if _is_name(value)):
        return False
    said = [sentence.strip().rstrip(".!").lower() for sentence in sentences_of(found)]
    if say_what_was_refused(words_of(found) - _OF_ANYTHING):
        return False
    return any(each in _NOTHING_MORE for each in said) and all(each in _NOTHING_MORE | _OF_ANYTHING for each in said)


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value.strip(" .!").lower() not in _NOTHING_MORE | _OF_ANYTHING

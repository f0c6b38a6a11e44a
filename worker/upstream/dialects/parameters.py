"""Request parameters that upstreams refuse by name, and what to ask in their place.

Only what changes nothing about the text is taken out of a request, or called by its other name. Whatever else an
upstream refuses is for the user to decide: `parameters` in the upstreams file.
"""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

from worker.upstream.dialects.shapes import parameters_of, sentences_of
from worker.upstream.own_words import NO_WORDS, OwnWords


class Row(NamedTuple):
    """A parameter, its name at those who refuse this one (None: none, leave it out), and who does."""

    name: str
    other_name: str | None
    source: str


_ROWS = (
    Row("stream_options", None, "Azure OpenAI with data_sources; Mistral; older vLLM, TGI and llama.cpp servers"),
    Row("max_tokens", "max_completion_tokens", "OpenAI o-series and gpt-5: unsupported_parameter"),
    Row("max_completion_tokens", "max_tokens", "Mistral, older vLLM, llama.cpp and gateways: extra inputs"),
    Row("store", None, "gateways and Gemini's OpenAI endpoint: unknown name"),
    Row("metadata", None, "OpenAI without store; Gemini's OpenAI endpoint: unknown name"),
    Row("user", None, "Mistral: extra inputs are not permitted"),
    Row("service_tier", None, "Azure OpenAI, gateways: unknown parameter"),
    Row("parallel_tool_calls", None, "OpenAI o-series: only allowed when tools are specified"),
    Row("prompt_cache_key", None, "Azure OpenAI and servers older than the parameter"),
    Row("safety_identifier", None, "Azure OpenAI and servers older than the parameter"),
    Row("verbosity", None, "all but OpenAI's gpt-5: a wish, which clients send by default"),
)

_REFUSING = re.compile(
    r"unsupported|not supported|n't support|not support|unknown|unrecogni[sz]ed|unexpected|extra |extra_forbidden"
    r"|not permitted|not allowed|only allowed|invalid (?:parameter|field|argument)|no such field|cannot find field"
    r"|not available|deprecated|instead|不支持|未知|无效参数|多余",
    re.IGNORECASE,
)


_OF_THIS_REQUEST = re.compile(
    r"\bvalues?\b|\bonly\b|\bwhen\b|\brequires?\b|\bwithout\b|\bunless\b|\bmust\b|not available", re.IGNORECASE
)
"""It refuses a value, or the parameter beside what else is asked: another request may have it."""

_MOST_PLACES = 50


class Change(NamedTuple):
    """One parameter to leave out of a request, or to call by another name."""

    name: str
    other_name: str | None


class Named(NamedTuple):
    """What to change of a request. `is_sure`: the upstream named it, did not repeat the request's own words, and would
    refuse it in every request.
    """

    change: Change
    is_sure: bool


def find_change(
    status: int, refusal: object, body: bytes, request: Mapping[str, Any], own: OwnWords = NO_WORDS
) -> Named | None:
    """What to change of a `request` that was refused with a 4xx and these words; None when none is named.

    `refusal` is the JSON of `body`, None when it is none. `own` are the words of the request as the user wrote it.
    """
    words = " ".join([*sentences_of(refusal)]) if refusal is not None else body.decode("utf-8", "replace")
    # A Python server that knows no such parameter may well answer 500.
    if status not in (400, 404, 405, 415, 422, 501) and "unexpected keyword argument" not in words:
        return None
    said = {re.split(r"[.\[]", name)[0] for name in parameters_of(refusal)} & set(request)
    refusing = [found[0] for found in islice(_REFUSING.finditer(words), _MOST_PLACES)]
    for row in _ROWS:
        if row.name not in request or (row.other_name and row.other_name in request):
            continue
        if row.name not in said and (said or re.search(rf"(?<![\w-]){row.name}(?![\w-])", words) is None):
            continue
        if row.name == "stream_options" or refusing:
            is_sure = row.name in said or not own.have_in_values(row.name)
            is_said = row.name == "stream_options" or not all(own.have(each) for each in refusing)
            is_general = row.name == "stream_options" or _OF_THIS_REQUEST.search(words) is None
            return Named(Change(row.name, row.other_name), is_sure and is_said and is_general)
    # Some name only what stands in it.
    if "stream_options" in request and not said and "include_usage" in words:
        return Named(Change("stream_options", None), is_sure=not own.have_in_values("include_usage"))
    return None


def apply_change(request: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """The request without a parameter, or with its other name. What is not in it is not added."""
    if change.name not in request:
        return dict(request)
    return {
        (change.other_name or name) if name == change.name else name: value
        for name, value in request.items()
        if name != change.name or change.other_name
    }

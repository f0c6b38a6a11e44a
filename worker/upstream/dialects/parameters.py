"""Request parameters that upstreams refuse by name, and what to ask in their place.

Only what changes nothing that the user asked for and pays for is taken out of a request, or called by its other name.
Whatever else an upstream refuses is for the user to decide: `parameters` in the upstreams file.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from worker.upstream.dialects.shapes import parameters_of, sentences_of
from worker.upstream.dialects.unknown_parameters import find_unknown
from worker.upstream.own_words import NO_WORDS, OwnWords, without_own_objects

Request = Mapping[str, Any]


class Row(NamedTuple):
    """A parameter that is left out, or called by another name, where an upstream does not know it."""

    name: str
    source: str
    """Who does not know it."""
    other_name: str | None = None
    """Its name there; None: leave it out."""
    is_idle: Callable[[Request], bool] = lambda _: False
    """Whether it does nothing in this request: it is left out whatever the upstream has against it."""
    only_idle: bool = False
    """Else it decides what the job costs, and stays in even if the upstream does not know it."""


_ROWS = (
    # Longhand asks for it: without it there are no token counts, and the text is the same.
    Row("stream_options", "Azure OpenAI; Mistral; older vLLM, TGI and llama.cpp servers", is_idle=lambda _: True),
    Row("max_tokens", "OpenAI o-series and gpt-5", "max_completion_tokens"),
    Row("max_completion_tokens", "Mistral, older vLLM, llama.cpp and gateways", "max_tokens"),
    Row("store", "Groq, Cerebras, gateways and Gemini's OpenAI endpoint"),
    Row("metadata", "Cerebras, Gemini's OpenAI endpoint"),
    Row("user", "Mistral, Azure AI"),
    Row(
        "service_tier",
        "Azure OpenAI, gateways",
        # `flex` is half the price, and `priority` is more.
        is_idle=lambda asked: asked["service_tier"] in ("auto", "default", None),
        only_idle=True,
    ),
    Row("parallel_tool_calls", "OpenAI o-series", is_idle=lambda asked: not asked.get("tools")),
    Row("prompt_cache_key", "Azure AI, and servers older than the parameter"),
    Row("safety_identifier", "Azure OpenAI, and servers older than the parameter"),
    Row("verbosity", "Groq, all but OpenAI's gpt-5", is_idle=lambda asked: asked["verbosity"] in ("medium", None)),
)

_OTHER_ENDPOINT = "data_sources"
"""Azure OpenAI sends a request with it elsewhere, where less is known: others' requests do not go there."""

_REFUSING = re.compile(
    r"unsupported|n[o']t support|unknown|unrecogni[sz]ed|unexpected|not permitted|not allowed|only allowed"
    r"|not available",
    re.IGNORECASE,
)
"""Words against a parameter that may be about its value, or about what stands beside it."""


class Change(NamedTuple):
    """One parameter to leave out of a request, or to call by another name."""

    name: str
    other_name: str | None


class Named(NamedTuple):
    """What to change of a request. `is_sure`: the upstream does not know it in any request, and says so in words that
    are not the request's own.
    """

    change: Change
    is_sure: bool


def find_change(status: int, refusal: object, body: bytes, request: Request, own: OwnWords = NO_WORDS) -> Named | None:
    """What to change of a `request` that was refused with a 4xx and these words; None when that is the user's to do.

    `refusal` is the JSON of `body`, None when it is none. `own` are the words of the request as the user wrote it.
    """
    refusal = without_own_objects(refusal, own)
    sentences = [*sentences_of(refusal)] if refusal is not None else [body.decode("utf-8", "replace")]
    # A Python server that knows no such parameter may well answer 500.
    if status not in (400, 404, 405, 415, 422, 501) and not any("unexpected keyword argument" in s for s in sentences):
        return None
    said = {re.split(r"[.\[]", name)[0] for name in parameters_of(refusal)} & set(request)
    rows = [row for row in _ROWS if row.name in request and (row.name in said or not said)]
    rows = [row for row in rows if row.other_name is None or row.other_name not in request]
    for row in rows:
        unknown = find_unknown(row.name, refusal, sentences)
        if unknown is not None and _may_leave_out(row, request):
            is_own = row.name not in said and own.have_in_values(row.name)
            is_for_all = _OTHER_ENDPOINT not in request
            return Named(_change(row), is_for_all and not is_own and not own.have(unknown))
    words = " ".join(sentences)
    for row in rows:
        is_named = row.name in said or re.search(rf"(?<![\w-]){row.name}(?![\w-])", words) is not None
        if row.name == "stream_options" and is_named:
            return Named(_change(row), _is_in_all(request) and (bool(said) or not own.have_in_values(row.name)))
        if is_named and (_lacks_company(row, words) or (row.is_idle(request) and _REFUSING.search(words))):
            return Named(_change(row), is_sure=False)
    # Some name only what stands in it.
    if "stream_options" in request and not said and "include_usage" in words:
        return Named(_change(_ROWS[0]), _is_in_all(request) and not own.have_in_values("include_usage"))
    return None


def may_change(change: Change, request: Request) -> bool:
    """Whether what others' requests have taught may be done to this one."""
    return any(_change(row) == change and (change.name not in request or _may_leave_out(row, request)) for row in _ROWS)


def apply_change(request: Request, change: Change) -> dict[str, Any]:
    """The request without a parameter, or with its other name. What is not in it is not added."""
    if change.name not in request:
        return dict(request)
    return {
        (change.other_name or name) if name == change.name else name: value
        for name, value in request.items()
        if name != change.name or change.other_name
    }


def _may_leave_out(row: Row, request: Request) -> bool:
    return not row.only_idle or row.is_idle(request)


def _change(row: Row) -> Change:
    return Change(row.name, row.other_name)


def _lacks_company(row: Row, words: str) -> bool:
    """Whether it does nothing without something else that this request lacks: OpenAI's `metadata` without `store`."""
    says_so = re.search(rf"\b{row.name}\W{{1,3}}(?:parameter )?is only allowed when\b", words) is not None
    return says_so and row.other_name is None and not row.only_idle


def _is_in_all(request: Request) -> bool:
    """Whether its `stream_options` are those that Longhand puts into every request."""
    options = request["stream_options"]
    is_ours = isinstance(options, Mapping) and options.keys() <= {"include_usage"}
    return is_ours and _OTHER_ENDPOINT not in request

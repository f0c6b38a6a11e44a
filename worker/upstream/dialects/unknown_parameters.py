"""How upstreams say that they do not know a parameter of the request at all.

These sentences are an allow-list: each is one that a provider was seen to write (the tests name where). All other words
about a parameter, such as `string too long ... instead`, may be about its value, about what stands beside it, or about
this account. They say nothing of another request.
"""

import re
from functools import cache
from itertools import islice

from worker.upstream.dialects.shapes import objects_of

_CODES = frozenset(("unsupported_parameter", "unknown_parameter", "unrecognized_request_argument"))
"""Beside the parameter's name in `param` they say it without any sentence."""

_MOST_PLACES, _AROUND = 20, 400
"""So often a name is looked at, and so many characters around it: no other stream of the worker is read meanwhile."""

_QUOTES = re.compile(r"[\"'`\\\[\]{}“”‘’]+")

_KIND = r"(?:parameter|argument|field|property)"
_UNKNOWN = r"(?:unknown|unsupported|unrecogni[sz]ed|unexpected)"
_LIST = r"(?:[\w-]+, ?){0,20}"
"""Other names before this one, and nothing but names."""
_STOP = r"(?= ?[.,;|()!])"
_FOR_ALL = rf"(?: (?:with|for|by|on|in) (?:this|the) (?:model|endpoint|api))?{_STOP}"
"""For this model, or for everybody; not for an account, and not beside something else."""
_END = rf"(?: is (?:not supported|unsupported))?{_FOR_ALL}"
"""What may follow. A value may not: `Unknown parameter NAME 5` is about the 5."""
_FORBIDDEN = r"extra (?:inputs|fields) (?:are )?not permitted"

_SENTENCES = (
    # OpenAI: Unknown parameter: 'NAME'. Azure: Unrecognized request argument supplied: NAME
    # Python: got an unexpected keyword argument 'NAME'. Go: json: unknown field "NAME"
    rf"{_UNKNOWN} (?:request |keyword )?{_KIND}(?:s|\(s\))?(?: supplied)?:? {_LIST}NAME{_END}",
    # OpenAI: 'NAME' is not supported with this model. Groq: property 'NAME' is unsupported
    # Not: This user is not supported. Image metadata is not supported.
    rf"(?:^|[|.:;!?] ?|\b{_KIND} )NAME(?: {_KIND})? is (?:not supported|unsupported){_FOR_ALL}",
    # xAI: Argument not supported on this model: NAME
    rf"{_KIND} (?:is )?not supported (?:on|with|for|by) this model: NAME{_END}",
    # xAI: Model M does not support parameter NAME. LiteLLM: M does not support parameters: ['NAME'], for model=M
    rf"does(?: not|n't) support (?:the )?{_KIND}s?:? {_LIST}NAME{_END}",
    r"does not support parameters: (?:[\w-]+: \w+, ){0,20}NAME: \w+, (?:[\w-]+: \w+, ){0,20}for model",
    # pydantic: the name before, after, on the line above, or as a `loc`; behind #/ by Azure
    rf"NAME:? {_FORBIDDEN}",
    rf"{_FORBIDDEN}(?:,? field:|:| \|)? NAME{_END}",
    rf"\(?body, ?NAME\)?, ?msg: ?{_FORBIDDEN}",
    # Azure AI: Extra parameters ['NAME'] are not allowed when extra-parameters is not set
    rf"extra parameters? {_LIST}NAME(?:, ?[\w-]+){{0,20}} (?:is|are) not allowed",
    # Bedrock: #: extraneous key [NAME] is not permitted
    r"#: extraneous key NAME is not permitted",
    # Gemini: Unknown name "NAME": Cannot find field.
    r"unknown name NAME: cannot find field",
)


def find_unknown(name: str, refusal: object, sentences: list[str]) -> str | None:
    """The words that say that this parameter is not known; "" when a code does, None when nothing does."""
    for each in objects_of(refusal):
        if each.get("param") == name and str(each.get("code")).lower() in _CODES:
            return ""
    # A bar behind each sentence: what one ends with is not what the next begins with.
    words = "".join(f"{' '.join(_QUOTES.sub('', sentence).split())} | " for sentence in sentences)
    for place in islice(re.finditer(re.escape(name), words, re.IGNORECASE), _MOST_PLACES):
        found = _pattern(name).search(words, max(0, place.start() - _AROUND), place.end() + _AROUND)
        if found is not None:
            return found[0]
    return None


@cache
def _pattern(name: str) -> re.Pattern[str]:
    # `messages.0.NAME` and `metadata.NAME` are other fields, and `NAME.x` and `NAME[0]` are only a part of it.
    whole = rf"(?<![\w.\]/#-])(?:#/|body\.)?{re.escape(name)}(?![\w-]|\.\w)"
    return re.compile("|".join(sentence.replace("NAME", whole) for sentence in _SENTENCES), re.IGNORECASE)

"""Every reason why a text is not accepted. Called only in the process that may be ended (`format_check.py`)."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypedDict

from jobs.acceptance.answer_format import find_mismatch
from jobs.acceptance.languages import find_language, is_in_language
from jobs.acceptance.patterns import find_pattern, forget_patterns
from jobs.acceptance.text_ends import find_bad_ending
from jobs.acceptance.words import count_words

CUT_SHORT = "a text that was cut short at the token limit or by a content filter"


class Rejection(TypedDict):
    """One reason: the rule, what it asked for, and what was found instead."""

    rule: str
    asked: Any
    found: str


def find_rejections(rules: Mapping[str, Any], text: str, *, cut_short: bool) -> list[Rejection]:
    """What of these rules a text does not keep, in their order; `cut_short`: the upstream said that it is not whole."""
    words = cache(lambda: count_words(text))
    try:
        return [
            rejection
            for rule, asked in rules.items()
            for rejection in _find(rule, asked, text, words, cut_short=cut_short)
        ]
    finally:
        forget_patterns()


def tell_rejection(rejection: Mapping[str, Any]) -> str:
    """A `Rejection` in words."""
    return f"{rejection['rule']}: asked for {_asked(rejection)}, found {rejection['found']}"


def _find(rule: str, asked: Any, text: str, words: Callable[[], int], *, cut_short: bool) -> list[Rejection]:
    found = None
    match rule:
        case "min_words" | "max_words":
            count = words()
            wrong = count < asked if rule == "min_words" else count > asked
            found = ("1 word" if count == 1 else f"{count} words") if wrong else None
        case "json_schema":
            found = find_mismatch(json.dumps(asked), text)
            asked = "a text that fits the schema"
        case "must_include" | "must_not_include":
            return _find_each(rule, asked, text)
        case "ends_well":
            found = CUT_SHORT if cut_short else find_bad_ending(text)
        case "language":
            language = find_language(text)
            found = None if is_in_language(asked, language, text) else language or "no language that is known"
    return [] if found is None else [Rejection(rule=rule, asked=asked, found=found)]


def _find_each(rule: str, wanted: Sequence[Any], text: str) -> list[Rejection]:
    rejections = []
    encoded = text.encode("utf-8", "replace")
    for item in wanted:
        is_there = isinstance(item, str) and item in text
        match = find_pattern(item["pattern"], encoded) if isinstance(item, dict) else item if is_there else None
        if rule == "must_include" and match is None:
            rejections.append(Rejection(rule=rule, asked=item, found="nothing like it"))
        elif rule == "must_not_include" and match is not None:
            rejections.append(Rejection(rule=rule, asked=item, found=_quoted(match)))
    return rejections


def _asked(rejection: Mapping[str, Any]) -> str:
    asked = rejection["asked"]
    if isinstance(asked, dict):
        return f"the pattern {_quoted(asked['pattern'])}"
    if isinstance(asked, bool):
        return "a good ending"
    is_plain = isinstance(asked, int) or rejection["rule"] in ("json_schema", "language")
    return str(asked) if is_plain else _quoted(str(asked))


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= 80 else f'"{line[:79]}…"'

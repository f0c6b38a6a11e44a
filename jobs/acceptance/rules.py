"""What `accept` may ask of a text, and what is wrong with rules that ask for something else."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from jobs.acceptance.languages import known_languages
from jobs.acceptance.patterns import LONGEST_PATTERN, find_pattern_fault

ON_REJECT = ("fail", "retry", "repair")
MAX_REPAIRS = 2
"""How often a job asks for a repair, unless it says otherwise."""

MOST_WORDS = 1_000_000
MOST_PATTERNS = 32
"""How many texts and patterns one list may have."""

_LISTS = ("must_include", "must_not_include")


class RuleError(Exception):
    """Rules that no text can be held to: the place in them, and the reason."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def read_rules(rules: Any) -> dict[str, Any]:
    """The rules that are set; one that is null or false asks for nothing. Raises `RuleError`.

    What a `json_schema` says is not looked at: that may take for ever (`jobs/acceptance/format_check.py`).
    """
    if not isinstance(rules, Mapping):
        raise RuleError("", 'must be an object such as {"min_words": 300, "ends_well": true}')
    readers: dict[str, Callable[[str, Any], Any]] = {
        "min_words": _read_words,
        "max_words": _read_words,
        "json_schema": _read_schema,
        **dict.fromkeys(_LISTS, _read_list),
        "ends_well": _read_switch,
        "language": _read_language,
    }
    for name in rules:
        if name not in readers:
            raise RuleError(name[:64], f"unknown; known are {', '.join(sorted(readers))}")
    wanted = {name: readers[name](name, value) for name, value in rules.items() if value is not None}
    wanted = {name: value for name, value in wanted.items() if value is not False or name == "json_schema"}
    if not wanted:
        raise RuleError("", "asks for nothing: name a rule, or leave it out")
    least, most = wanted.get("min_words"), wanted.get("max_words")
    if least is not None and most is not None and least > most:
        raise RuleError("min_words", f"is {least}, more than max_words, {most}: no text could have both")
    return wanted


def _read_words(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_WORDS:
        raise RuleError(name, f"must be a whole number from 1 to {MOST_WORDS}")
    return value


def _read_schema(name: str, value: Any) -> Any:
    if not isinstance(value, dict | bool):
        raise RuleError(name, "must be an object, a JSON Schema")
    return value


def _read_switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise RuleError(name, "must be true or false")
    return value


def _read_language(name: str, value: Any) -> str:
    if not isinstance(value, str) or value not in known_languages():
        raise RuleError(name, f"must be a code of ISO 639-1; known are {', '.join(sorted(known_languages()))}")
    return value


def _read_list(name: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise RuleError(name, 'must be a list of texts and of {"pattern": "..."}')
    if len(value) > MOST_PATTERNS:
        raise RuleError(name, f"has {len(value)} items, and {MOST_PATTERNS} are allowed")
    for place, item in enumerate(value):
        _check_item(f"{name}[{place}]", item)
    return value


def _check_item(at: str, item: Any) -> None:
    is_pattern = isinstance(item, dict)
    if is_pattern:
        if item.keys() != {"pattern"}:
            raise RuleError(at, 'must be a text, or {"pattern": "..."} and nothing else')
        at, item = f"{at}.pattern", item["pattern"]
    if not isinstance(item, str) or not item:
        raise RuleError(at, "must be a text that is not empty")
    if len(item) > LONGEST_PATTERN:
        raise RuleError(at, f"is {len(item)} characters long, and {LONGEST_PATTERN} are allowed")
    if any("\ud800" <= character <= "\udfff" for character in item):
        raise RuleError(at, "must not hold half a surrogate pair")
    fault = find_pattern_fault(item) if is_pattern else None
    if fault is not None:
        raise RuleError(at, fault)


def schema_text(rules: Mapping[str, Any]) -> str | None:
    """The schema of the rules as JSON; None when they have none. Raises `RuleError`."""
    if "json_schema" not in rules:
        return None
    try:
        return json.dumps(rules["json_schema"])
    except RecursionError:
        raise RuleError("json_schema", "is nested too deep") from None

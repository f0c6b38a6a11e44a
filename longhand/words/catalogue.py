"""Sentences by key, from the TOML files beside this one: `en*.toml` and `zh*.toml` have the same keys.

English is spoken until a process asks for another language: a program that uses the client sees no difference.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Language = Literal["en", "zh"]
Part = Literal["", "_help", "_errors", "_codes"]
"""Which file: sentences, help texts, errors that others write in English, or what the codes of the API mean."""
Entry = str | dict[str, str]
"""A sentence, or one for `one` and one for `other`. `{name}` is a value."""

_VALUE = re.compile(r"\{(\w+)\}")
_QUOTED = r"""'[^']*'|"[^"]*\""""
_NUMBER = r"[-+.\de]+"
_NARROW = {"field": rf"[\w.-]+|{_QUOTED}", "mark": _QUOTED, "least": _NUMBER, "most": _NUMBER}
"""Values that cannot be just anything, for templates with little else in them."""

_LOCALE_NAMES = ("LC_ALL", "LC_MESSAGES", "LANG")


@dataclass(slots=True)
class _Speaker:
    language: Language = "en"


_speaker = _Speaker()


def language_of(environ: Mapping[str, str]) -> Language:
    """LONGHAND_LANG, or else the first that is set of LC_ALL, LC_MESSAGES and LANG, as for every program."""
    wanted = environ.get("LONGHAND_LANG", "").lower()
    if wanted.startswith(("en", "zh")):  # another one is a mistake, which is reported in the language of the locale
        return "zh" if wanted.startswith("zh") else "en"
    chosen = next((environ[name] for name in _LOCALE_NAMES if environ.get(name)), "")
    return "zh" if chosen.lower().startswith("zh") else "en"


def speak(language: Language) -> None:
    """Say everything in this language from now on."""
    _speaker.language = language


def spoken() -> Language:
    """The language that is spoken now."""
    return _speaker.language


def t(key: str, **values: object) -> str:
    """A sentence in the spoken language; `count` chooses between its forms."""
    return _filled(entries(spoken())[key], values)


def known(key: str) -> bool:
    """Whether there is such a sentence."""
    return key in entries(spoken())


def help_text(*keys: str) -> str | None:
    """The help of the first of these keys that has one, as it stands: braces in it are no values."""
    found = next((entry for key in keys if (entry := entries(spoken(), "_help").get(key)) is not None), None)
    return str(found) if found is not None else None


def translated(message: str) -> str:
    """An error that was written in English elsewhere, in the spoken language if the catalogue knows it."""
    if spoken() == "en":
        return message
    theirs = entries(spoken(), "_errors")
    for key, pattern in _patterns():
        if found := pattern.fullmatch(message):
            values = {name: _value(name, value or "") for name, value in found.groupdict().items()}
            return _filled(theirs[key], values)
    return message


def _value(name: str, value: str) -> str:
    """A value of an error: a word that the catalogue has under the value's name, or an error in the error. What others
    have `said` is theirs.
    """
    if name == "said":
        return value
    word = entries(spoken()).get(f"{name}.{value}")
    return str(word) if word is not None else translated(value)


def meaning_of(code: str | None) -> str:
    """What a code of the API means. English needs no such sentence: the API's own message is English."""
    return "" if spoken() == "en" or code is None else str(entries(spoken(), "_codes").get(code, ""))


def failure_of_code(code: str) -> str:
    """What the code of a failed job means, in both languages; empty where its message says it."""
    if code not in entries("en", "_codes"):
        return ""
    return str(entries(spoken(), "_codes")[code])


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Speak another language for a while."""
    before = spoken()
    speak(language)
    try:
        yield
    finally:
        speak(before)


@cache
def entries(language: Language, part: Part = "") -> dict[str, Entry]:
    """All sentences of a file by key, the names of its tables in front."""
    with Path(__file__).with_name(f"{language}{part}.toml").open("rb") as file:
        return dict(_flat(tomllib.load(file)))


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """What each error looks like in English; those with most words of their own first: a value may be anything."""
    found = sorted(entries("en", "_errors").items(), key=lambda entry: -len(_VALUE.sub("", str(entry[1]))))
    return [(key, re.compile(_as_pattern(str(template)), re.DOTALL)) for key, template in found]


def _as_pattern(template: str) -> str:
    parts = _VALUE.split(template)
    return "".join(
        f"(?P<{part}>{_NARROW.get(part, '.+?')})" if place % 2 else re.escape(part) for place, part in enumerate(parts)
    )


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Entry]]:
    for name, value in table.items():
        if isinstance(value, str) or set(value) <= {"one", "other"}:
            yield before + name, value
        else:
            yield from _flat(value, f"{before}{name}.")


def _filled(entry: Entry, values: Mapping[str, object]) -> str:
    if isinstance(entry, dict):
        entry = entry["one" if values["count"] == 1 and "one" in entry else "other"]
    return entry.format(**values) if values else entry

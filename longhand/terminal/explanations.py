"""Words of the API in the language of the command: statuses, names of fields, and what an error means."""

from collections.abc import Mapping
from typing import Any

from longhand.client.objects import why
from longhand.words.catalogue import known, meaning_of, t, translated


def status_word(status: str) -> str:
    """A status, as a person reads it."""
    return _word(f"status.{status}", status)


def source_word(source: str) -> str:
    """Who counted tokens."""
    return _word(f"source.{source}", source)


def limit_word(limit: str) -> str:
    """What a job waits for, in a word or two."""
    return _word(f"limit.{limit}", limit.replace("_", " "))


def heading(name: str) -> str:
    """The heading of a column or a row."""
    return _word(f"heading.{name}", name)


def cut_short_words(job: Mapping[str, Any]) -> str:
    """That the text of a completed job was cut short, and why; empty for a whole one."""
    incomplete = job.get("incomplete")
    if not incomplete:
        return ""
    key = f"cut_short.{incomplete['reason']}"
    return t(key) if known(key) else t("cut_short.other", reason=incomplete["reason"])


def reason(owner: Any) -> str:
    """What went wrong with a job or an attempt, in one line; empty when nothing did."""
    said, error = why(owner), owner.get("error")
    meaning = meaning_of(error["code"]) if error else ""
    if not meaning:
        return said
    message = " ".join((error["message"] or "").split())
    return t("error.of_code", code=error["code"], meaning=_with(meaning, translated(message)))


def explained(said: object) -> str:
    """What an error or a note says: what its code means, if the catalogue knows it, and then its own words."""
    shown = "\n".join(map(translated, str(said).splitlines()))
    return _with(meaning_of(getattr(said, "code", None)), shown)


def _with(meaning: str, message: str) -> str:
    return t("error.meaning", meaning=meaning, message=message) if meaning and message else meaning or message


def _word(key: str, name: str) -> str:
    return t(key) if known(key) else name

"""Reads the options of `longhand submit` that are more than a word or a number."""

import json
from collections.abc import Iterable
from pathlib import Path

from jobs.model.retention import ENDED, LONGEST_SECONDS, SHORTEST_SECONDS, read_period
from longhand.client.errors import InputError
from longhand.client.objects import Json
from longhand.words.catalogue import t, translated


def parse_metadata(pairs: Iterable[str]) -> dict[str, str]:
    """`key=value` pairs of the command line. Raises `InputError`."""
    metadata: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(t("submit.metadata", given=repr(pair)))
        metadata[key] = value
    return metadata


def read_expiry(given: str | None) -> Json | None:
    """The `expires_after` of `--expires-after`: a time such as `30d` after the end. Raises `InputError`."""
    if given is None:
        return None
    seconds = read_period(given)
    if seconds is None or not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise InputError(t("submit.expires_after", given=repr(given)))
    return {"anchor": ENDED, "seconds": seconds}


def read_accept(given: str | None) -> Json | None:
    """The rules of `--accept`: JSON, or a file with it. Raises `InputError`."""
    if given is None:
        return None
    try:
        text = given if given.lstrip().startswith("{") else Path(given).read_text(encoding="utf-8-sig")
        rules = json.loads(text)
    except (OSError, ValueError) as error:
        why = translated(str(error.strerror)) if isinstance(error, OSError) else error
        raise InputError(t("submit.accept_unreadable", why=why)) from None
    if not isinstance(rules, dict):
        raise InputError(t("submit.accept_no_object"))
    return rules

"""Reads the options of `longhand submit` that are more than a word or a number."""

import json
from collections.abc import Iterable
from pathlib import Path

from jobs.model.retention import ENDED
from longhand.cli.arguments import read_seconds
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
    return {"anchor": ENDED, "seconds": read_seconds(given, "submit.expires_after")}


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

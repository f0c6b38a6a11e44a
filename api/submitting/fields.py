"""What single values of a submission must be; each is refused by name."""

import atexit
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from api.access.turns import ASKING
from api.http.errors import ApiError
from jobs.acceptance.answer_format import FormatError
from jobs.acceptance.format_check import FormatCheck
from jobs.acceptance.rules import RuleError
from jobs.inputs.table import MOST_COLUMNS
from jobs.model.retention import CREATED, ENDED, LONGEST_SECONDS, SHORTEST_SECONDS, Retention, read_period

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_LONGEST_WINDOW_SECONDS = 366 * 86400


def check_expiry(value: Any) -> int | None:
    """The seconds of OpenAI's `{"anchor": "created_at", "seconds": ...}`; None for none."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"anchor", "seconds"}:
        raise invalid("output_expires_after", 'must be {"anchor": "created_at", "seconds": 3600 to 2592000}')
    if value["anchor"] != "created_at":
        raise invalid("output_expires_after.anchor", 'must be "created_at"')
    return check_integer(value["seconds"], "output_expires_after.seconds", 3600, 2_592_000)


def check_retention(value: Any) -> Retention | None:
    """How long a job or batch is kept, in the form of OpenAI's `expires_after`; None for nothing said."""
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() != {"anchor", "seconds"}:
        raise invalid("expires_after", f'must be {{"anchor": "{ENDED}", "seconds": ...}}')
    anchor = check_choice(value["anchor"], "expires_after.anchor", (ENDED, CREATED))
    kept = check_integer(value["seconds"], "expires_after.seconds", SHORTEST_SECONDS, LONGEST_SECONDS)
    return Retention(kept, anchor)


def check_metadata(value: Any, at: str) -> dict[str, str]:
    """Up to 16 pairs of texts."""
    if not isinstance(value, dict):
        raise invalid(at, "must be an object of texts")
    if len(value) > 16:
        raise invalid(at, f"has {len(value)} pairs, and 16 are allowed")
    for key, text in value.items():
        check_text(key, at, 64, what="a key")
        check_text(text, f"{at}.{key[:64]}", 512, empty=True)
    return value


def check_cells(value: Any, at: str) -> dict[str, str] | None:
    """The cells of a row by column, or nothing: texts of any length, for the job as a whole is bounded."""
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(cell, str) for cell in value.values()):
        raise invalid(at, 'must be an object of texts, such as {"topic": "tea"}')
    if len(value) > MOST_COLUMNS:
        raise invalid(at, f"has {len(value)} columns, and {MOST_COLUMNS} are allowed")
    if any(_SURROGATES.search(text) for pair in value.items() for text in pair if not text.isascii()):
        raise invalid(at, "must not hold half a surrogate pair")
    return value


def check_custom_id(value: Any, at: str) -> str | None:
    """A text of up to 512 characters, or nothing."""
    return None if value is None else check_text(value, at, 512)


def check_text(value: Any, at: str, longest: int, *, empty: bool = False, what: str = "") -> str:
    """A text that can be stored, of at most `longest` characters."""
    what = f"{what} " if what else ""
    if not isinstance(value, str):
        raise invalid(at, f"{what}must be a text")
    if not value and not empty:
        raise invalid(at, f"{what}must not be empty")
    if len(value) > longest:
        raise invalid(at, f"{what}is {len(value)} characters long, and {longest} are allowed")
    if _UNSTORABLE.search(value):
        # PostgreSQL refuses both; in messages they are fine, because those are stored as JSON.
        raise invalid(at, f"{what}must not hold NUL or half a surrogate pair")
    return value


def check_integer(value: Any, at: str, least: int, most: int) -> int:
    """A whole number within these bounds."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise invalid(at, f"must be a whole number from {least} to {most}")
    return value


def check_window(value: Any) -> float:
    """The seconds of a completion window such as `24h`."""
    seconds = read_period(value) if isinstance(value, str) else None
    if seconds is None or seconds > _LONGEST_WINDOW_SECONDS:
        raise invalid("completion_window", 'must be a time such as "30m", "24h" or "7d", at most a year')
    return seconds


@cache
def _format_check() -> FormatCheck:
    """One for this process, and its own process is started when the first schema comes."""
    made = FormatCheck()
    atexit.register(made.close)
    return made


def stop_checks() -> None:
    """Give up the checks of schemas that are under way or in line: the process is about to end."""
    _format_check().stop()


def check_response_format(value: Any, at: str) -> None:
    """A format that a text can be held to: a schema must be a good one, and refer to nothing outside of itself."""
    try:
        _format_check().check_format(value, ASKING.get())
    except FormatError as error:
        raise invalid(join(at, error.path), error.reason, "invalid_json_schema") from None


def check_accept(value: Any, at: str) -> dict[str, Any]:
    """Rules that a text can be held to: each one known, and every pattern and schema a good one."""
    try:
        return _format_check().check_rules(value, ASKING.get())
    except RuleError as error:
        raise invalid(join(at, error.path) if error.path else at, error.reason) from None
    except FormatError as error:
        raise invalid(join(at, error.path), error.reason, "invalid_json_schema") from None


def check_choice(value: Any, at: str, known: Sequence[str]) -> str:
    """One of these words."""
    if value not in known:
        *words, last = (f'"{word}"' for word in known)
        raise invalid(at, f"must be {', '.join(words)} or {last}")
    return str(value)


def invalid(param: str, message: str, code: str = "invalid_value") -> ApiError:
    """The refusal of a value."""
    return ApiError(400, code, f"{param}: {message}", param=param)


def unknown(param: str, known: Iterable[str]) -> ApiError:
    """The refusal of a field that does not exist."""
    return invalid(param, f"unknown; known are {', '.join(sorted(known))}", "unknown_parameter")


def unsupported(param: str, message: str) -> ApiError:
    """The refusal of what OpenAI has and Longhand has not."""
    return invalid(param, message, "unsupported_parameter")


def missing(param: str, what: str) -> ApiError:
    """The refusal of a body in which a field is missing."""
    return ApiError(400, "missing_required_parameter", f"{param}: is missing; it is {what}", param=param)


def join(where: str, name: str) -> str:
    """The name of a field inside of another one."""
    return f"{where}.{name}" if where else name

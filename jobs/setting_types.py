"""The types of values that a setting may have."""

import json
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

T = TypeVar("T")

TEN_YEARS = 10 * 365 * 24 * 3600
"""The longest duration, in seconds: what is much longer no clock and no calendar can count."""

Seconds = Annotated[float, Field(gt=0, le=TEN_YEARS, allow_inf_nan=False)]


def _parse_json(given: object) -> object:
    try:
        return json.loads(given) if isinstance(given, str) else given
    except (ValueError, RecursionError):
        raise ValueError('must be a JSON object, such as {"name": "value"}') from None


JsonObject = Annotated[dict[str, T], NoDecode, BeforeValidator(_parse_json)]

"""Rows of CSV, as `csv` writes them; a long cell in slices. Python's writer puts a row together in one call."""

from collections.abc import Iterable, Iterator
from typing import Any

from api.http.slices import SLICE_CHARACTERS, in_slices


def csv_row(cells: Iterable[Any]) -> Iterator[str]:
    """The pieces of one row, quoted as RFC 4180 says where that is needed."""
    short: list[str] = []
    for place, cell in enumerate(cells):
        text = "" if cell is None else str(cell)
        is_quoted = any(sign in text for sign in '",\r\n')
        short.append("," if place else "")
        if len(text) <= SLICE_CHARACTERS:
            short.append('"' + text.replace('"', '""') + '"' if is_quoted else text)
            continue
        yield "".join(short) + '"' * is_quoted
        for some in in_slices(text):
            yield some.replace('"', '""')
        short = ['"' * is_quoted]
    yield "".join(short) + "\r\n"

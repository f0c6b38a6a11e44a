"""Reads what is to be submitted, from a prompt, a JSONL file or a CSV file, and checks it line by line.

A wrong line is reported with its file and number, and then nothing is submitted.
"""

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from longhand.errors import InputError, RefusedError
from longhand.items import WrongItemError, as_item, ask, check_item
from longhand.objects import Json
from longhand.template import fill, parse_template

_REQUEST = re.compile(r"requests\[(\d+)\]")
_MOST_MISTAKES = 10


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to the input."""

    model: str | None = None
    """For every request that names none itself."""
    template: str | None = None
    """The prompt for each row of a CSV file, with column names in braces."""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Submission:
    """A body for `POST /v1/jobs` or, with `is_batch`, for `POST /v1/batches`."""

    body: Json
    is_batch: bool
    places: tuple[str, ...] = ()
    """The file and line of each request of a batch."""

    @property
    def count(self) -> int:
        """How many jobs it makes."""
        return len(self.body["requests"]) if self.is_batch else 1

    def in_terms_of_input(self, error: RefusedError) -> str:
        """The message of a refusal, with the file and line instead of the place in the batch."""
        found = _REQUEST.match(error.param or "")
        if found is None or int(found[1]) >= len(self.places):
            return str(error)
        return f"{self.places[int(found[1])]}: {str(error).removeprefix(found[0]).lstrip('.')}"


_ReadItems = Callable[[str, str, Options], Iterator[tuple[int, Json | WrongItemError]]]


def read_submission(source: str, options: Options) -> Submission:
    """Read `source`: `-` (JSONL on stdin), a `.jsonl` or `.csv` file, or else a prompt. Raises `InputError`."""
    if source == "-":
        return _batch("stdin", sys.stdin.buffer.read(), _jsonl_items, options)
    suffix = Path(source).suffix.lower() if len(source) < 4096 and "\n" not in source else ""
    if suffix in (".jsonl", ".csv"):
        try:
            content = Path(source).read_bytes()
        except OSError as error:
            raise InputError(f"{source}: {error.strerror}") from None
        return _batch(source, content, _csv_items if suffix == ".csv" else _jsonl_items, options)
    if len(source) < 200 and Path(source).is_file():
        raise InputError(
            f"{source}: the name of a file must end in .jsonl or .csv (or give its JSONL on stdin, as `-`)"
        )
    return _prompt(source, options)


def _prompt(prompt: str, options: Options) -> Submission:
    if not prompt.strip():
        raise InputError("the prompt is empty")
    if options.template is not None:
        raise InputError("--template is for CSV files")
    if options.model is None:
        raise InputError("a prompt needs a model: give it with --model")
    body: Json = {"model": options.model, "messages": ask(prompt)}
    if options.metadata:
        body["metadata"] = dict(options.metadata)
    return Submission(body, is_batch=False)


def _batch(name: str, content: bytes, read_items: _ReadItems, options: Options) -> Submission:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}:{line}: not UTF-8") from None
    requests: list[Json] = []
    places: list[str] = []
    lines_by_id: dict[str, int] = {}
    mistakes: list[str] = []
    for number, item in read_items(name, text, options):
        try:
            if isinstance(item, WrongItemError):
                raise item
            requests.append(_checked(item, options, number, lines_by_id))
            places.append(f"{name}:{number}")
        except WrongItemError as error:
            mistakes.append(f"{name}:{number}: {error}")
            if len(mistakes) == _MOST_MISTAKES:
                mistakes.append("(and perhaps more)")
                break
    if mistakes:
        raise InputError("\n".join(mistakes))
    if not requests:
        raise InputError(f"{name}: there is nothing in it to submit")
    body: Json = {"requests": requests}
    if options.metadata:
        body["metadata"] = dict(options.metadata)
    return Submission(body, is_batch=True, places=tuple(places))


def _jsonl_items(name: str, text: str, options: Options) -> Iterator[tuple[int, Json | WrongItemError]]:
    """The lines of a JSONL text as `{"custom_id"?, "body"}`. Not `splitlines`: U+2028 may stand inside a string."""
    if options.template is not None:
        raise InputError(f"--template is for CSV files, and {name} is read as JSONL")
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, as_item(_parse(line))
        except WrongItemError as error:
            yield number, error


def _parse(line: str) -> Json:
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WrongItemError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise WrongItemError("not a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _csv_items(name: str, text: str, options: Options) -> Iterator[tuple[int, Json | WrongItemError]]:
    """The rows of a CSV text, each put into the template. The first row names the columns."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(reader, [])
        template = parse_template(name, columns, options.template)
        number = reader.line_num + 1
        for row in reader:
            if row:
                yield number, _row_item(columns, row, template)
            number = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{name}:{reader.line_num}: not CSV: {error}") from None


def _row_item(columns: list[str], row: list[str], template: str) -> Json | WrongItemError:
    if len(row) != len(columns):
        return WrongItemError(f"{len(row)} cells, but {len(columns)} columns")
    cells = dict(zip(columns, row, strict=True))
    prompt = fill(template, cells)
    if not prompt.strip():
        return WrongItemError("the prompt is empty")
    body: Json = {"messages": ask(prompt)}
    if cells.get("model"):
        body["model"] = cells["model"]
    item: Json = {"body": body}
    if cells.get("custom_id"):
        item["custom_id"] = cells["custom_id"]
    return item


def _checked(item: Json, options: Options, number: int, lines_by_id: dict[str, int]) -> Json:
    if item["body"].get("model") is None and options.model is None:
        raise WrongItemError('no "model": name one in the line or with --model')
    item = check_item(item, {"model": options.model})
    custom_id = item.get("custom_id")
    if custom_id is not None:
        first = lines_by_id.setdefault(custom_id, number)
        if first != number:
            raise WrongItemError(f'"custom_id" {custom_id!r} stands in line {first} already')
    return item


def parse_metadata(pairs: Iterable[str]) -> dict[str, str]:
    """`key=value` pairs of the command line. Raises `InputError`."""
    metadata: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InputError(f"--metadata takes key=value, not {pair!r}")
        metadata[key] = value
    return metadata

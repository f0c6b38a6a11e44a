"""Reads what is to be submitted: a prompt, or a file of requests, each of which is checked.

`jobs/inputs/` decides what a file means. A wrong line is reported with its file and number, and then nothing is
submitted.
"""

import io
import re
import shlex
import stat
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.inputs.dialects import read_request, with_texts_as_metadata
from jobs.inputs.json_objects import decode_object
from jobs.inputs.mistakes import MistakeError, Notes
from jobs.inputs.reading import BUFFER_BYTES, SUFFIXES, InputFile, ReadOptions, kind_of, open_input
from jobs.inputs.table import Line
from longhand.cli.naming_column import naming_column
from longhand.client.errors import InputError, RefusedError
from longhand.client.items import WrongItemError, ask, check_item
from longhand.client.objects import Json
from longhand.terminal.explanations import explained
from longhand.words.catalogue import t, translated

_REQUEST = re.compile(r"requests\[(\d+)\]")
_MOST_MISTAKES = 10
_MOST_PAIRS = 16
"""So many the API takes: a title that nobody asked for must not be one too many."""
_OWN = ""
"""The code of a mistake whose sentence is the command's own: there is nothing to add to it."""
_PATH = re.compile(r"[/\\]|\.[A-Za-z0-9]{1,5}$")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to the input."""

    model: str | None = None
    """For every request that names none itself."""
    read: ReadOptions = field(default_factory=ReadOptions)
    """How a file is read."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    system: str | None = None
    """The system prompt of every request that has none."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Other parameters, for every request that does not set them itself."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the job, or of the batch for all its jobs."""

    def complete(self, body: Json) -> Json:
        """A body with what it does not say itself. The two names of the token limit count as one."""
        added = {name: value for name, value in self.defaults.items() if body.get(name) is None}
        if body.get("max_completion_tokens") is not None:
            added.pop("max_tokens", None)
        messages = body.get("messages")
        if self.system is not None and isinstance(messages, list) and not _has_system(messages):
            body = {**body, "messages": [{"role": "system", "content": self.system}, *messages]}
        return {**body, **added}


@dataclass(frozen=True, slots=True)
class Submission:
    """A body for `POST /v1/jobs` or, with `is_batch`, for `POST /v1/batches`."""

    body: Json
    is_batch: bool
    places: tuple[str, ...] = ()
    """The file and line of each request of a batch."""
    remarks: tuple[str, ...] = ()
    """What was found out about the file, and read otherwise than it was written; each is a line to show."""

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


def looks_like_a_path(source: str) -> bool:
    """Whether it is one word that looks like the name of a file, and there is none."""
    if source == "-" or len(source) > 200 or any(map(str.isspace, source)) or Path(source).suffix in SUFFIXES:
        return False
    return _PATH.search(source) is not None and not _mode_of(source)


def read_submission(
    source: str, options: Options, *, max_line_bytes: int = 10_000_000, is_prompt: bool = False
) -> Submission:
    """Read `source`: `-` (JSONL on stdin), a file, or else a prompt. Raises `InputError`."""
    if is_prompt:
        return _prompt(source, options)
    if stat.S_ISDIR(_mode_of(source)):
        raise InputError(t("submit.folder", source=source))
    if source == "-":
        stdin: io.BufferedReader = io.BufferedReader(io.BytesIO(sys.stdin.buffer.read()), BUFFER_BYTES)
        return _batch("stdin", stdin, ".jsonl", options, max_line_bytes)
    suffix = Path(source).suffix.lower() if len(source) < 4096 and "\n" not in source else ""
    if suffix not in SUFFIXES and not stat.S_ISREG(_mode_of(source)):
        return _prompt(source, options)
    try:
        with open_input(Path(source)) as file:
            return _batch(source, file, kind_of(source), _with_title(options, source), max_line_bytes)
    except OSError as error:
        raise InputError(f"{source}: {translated(str(error.strerror))}") from None
    except MistakeError as mistake:
        raise InputError(f"{source}: {explained(mistake)}") from None


def _with_title(options: Options, source: str) -> Options:
    """A batch without a title has the name of its file, as on the page; a name that is no text cannot be sent."""
    stem = Path(source).stem
    if not stem.isprintable() or len(options.metadata) >= _MOST_PAIRS:
        return options
    return replace(options, metadata={"title": stem, **options.metadata})


def _mode_of(source: str) -> int:
    """What kind of file has this name; 0 if none has. A prompt may be too long for a name."""
    try:
        return Path(source).stat().st_mode
    except (OSError, ValueError):
        return 0


def _prompt(prompt: str, options: Options) -> Submission:
    if not prompt.strip():
        raise InputError(t("submit.empty_prompt"))
    if options.read.template is not None:
        raise InputError(t("submit.template_without_table"))
    if options.model is None:
        raise InputError(t("submit.needs_model"))
    body = {**options.complete({"model": options.model, "messages": ask(prompt)}), **options.fields}
    if options.metadata:
        body["metadata"] = dict(options.metadata)
    return Submission(body, is_batch=False)


def _batch(name: str, file: io.BufferedReader, kind: str, options: Options, max_line_bytes: int) -> Submission:
    requests: list[Json] = []
    places: list[str] = []
    mistakes: list[str] = []
    lines_by_id: dict[str, int] = {}
    try:
        opened = InputFile(file, kind, options.read, max_line_bytes=max_line_bytes)
        for line in opened.lines():
            try:
                if isinstance(line, MistakeError):
                    raise line
                requests.append(_checked(line, options, opened.notes, lines_by_id))
                places.append(_place(name, line.line, line.row))
            except MistakeError as mistake:
                why = explained(mistake)
                if why == t("submit.no_model") and any(one.endswith(why) for one in mistakes):
                    continue  # one --model mends them all
                mistakes.append(f"{_place(name, mistake.line, mistake.row)}: {why}")
                if len(mistakes) == _MOST_MISTAKES:
                    mistakes.append(t("submit.more_mistakes"))
                    break
    except MistakeError as mistake:
        mistakes = [_of_whole_file(name, mistake)]
    if mistakes:
        raise InputError("\n".join(mistakes))
    if not requests:
        raise InputError(t("submit.nothing", name=name))
    body: Json = {"requests": requests, **options.fields}
    if options.metadata:
        body["metadata"] = dict(options.metadata)
    return Submission(body, is_batch=True, places=tuple(places), remarks=_remarks(name, opened, options, requests))


def _checked(line: Line, options: Options, notes: Notes, lines_by_id: dict[str, int]) -> Json:
    try:
        fields = decode_object(line.content)
        cells = fields.pop("cells", None) if "body" in fields else None
        custom_id, body = read_request(fields, _Decoded(), notes, line.line)
        body = with_texts_as_metadata(body, _Decoded(), notes, line.line)
        _require_model(body, options)
        item = {"custom_id": custom_id, "cells": cells, "body": options.complete(body)}
        item = check_item(item, {"model": options.model})
    except MistakeError as mistake:
        raise mistake.at(line.line, line.row) from None
    except WrongItemError as error:
        raise MistakeError(_OWN, translated(str(error)), line=line.line, row=line.row) from None
    if custom_id is not None:
        first = lines_by_id.setdefault(custom_id, line.line)
        if first != line.line:
            why = t(
                "submit.same_custom_id",
                column=options.read.id_column or "custom_id",
                custom_id=repr(custom_id),
                line=first,
            )
            raise MistakeError(_OWN, why, line=line.line, row=line.row)
    return item


def _has_system(messages: list[Any]) -> bool:
    roles = [message.get("role") for message in messages if isinstance(message, Mapping)]
    return "system" in roles or "developer" in roles


def _require_model(body: Json, options: Options) -> None:
    if body.get("model") is None and options.model is None:
        raise WrongItemError(t("submit.no_model"))


class _Decoded:
    """The values of a request that has been decoded."""

    def read(self, value: Any, param: str) -> Any:
        return value

    def fields(self, value: Any, param: str) -> Json:
        if not isinstance(value, dict):
            raise MistakeError(_OWN, t("submit.not_an_object", name=param.rpartition(".")[2]), param=param)
        return value

    def make(self, value: Any) -> Any:
        return value


def _place(name: str, line: int | None, row: int | None) -> str:
    if line is None:
        return name
    return f"{name}:{line}" if row in (None, line) else t("submit.row", name=name, line=line, row=row)


def _of_whole_file(name: str, mistake: MistakeError) -> str:
    if mistake.param is not None:
        return f"{name}: --{mistake.param.replace('_', '-')}: {explained(mistake)}"
    return f"{_place(name, mistake.line, mistake.row)}: {explained(mistake)}"


def _remarks(name: str, opened: InputFile, options: Options, requests: Sequence[Json]) -> tuple[str, ...]:
    found: list[str] = []
    if opened.encoding.codec != "utf-8":
        key = "submit.guessed" if opened.encoding.is_guess else "submit.read_as"
        found.append(t(key, encoding=opened.encoding.name))
    if opened.form is not None and opened.form.delimiter != ",":
        found.append(t("submit.read_with", delimiter=translated(opened.form.name)))
    if opened.form is not None and "custom_id" not in opened.columns and options.read.id_column is None:
        column = naming_column(opened.columns, [request.get("cells") or {} for request in requests])
        found.append(t("submit.no_id_column_but", column=shlex.quote(column)) if column else t("submit.no_id_column"))
    # A guess is a note, too, which cannot name the option.
    notes = [explained(note) for note in opened.notes if note.code != "encoding" or not opened.encoding.is_guess]
    return tuple(f"{name}: {remark}" for remark in (*found, *notes))

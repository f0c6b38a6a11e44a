"""Reads a POST that creates a batch, from the requests in its body or from a file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import msgspec

from api.http.errors import ApiError
from api.submitting.batch_defaults import BatchDefaults, check_defaults, require_room
from api.submitting.bodies import job_limit, read_field, read_fields, refuse_unknown, require_values
from api.submitting.checks import (
    Merge,
    check_item,
    own_fields,
    require_same_columns,
)
from api.submitting.fields import (
    check_expiry,
    check_integer,
    check_retention,
    check_text,
    check_window,
    invalid,
    missing,
)
from api.submitting.slices import Slices, TooManyValuesError
from api.submitting.webhook_orders import check_batch_webhook
from jobs.inputs.dialects import ENDPOINT, RESPONSES
from jobs.inputs.mistakes import Notes
from jobs.inputs.reading import ReadOptions
from jobs.intake.submission import BatchOptions, NewJob
from jobs.settings import Settings

BATCH_FIELDS = frozenset({"requests", "metadata", "completion_window", "priority", "max_attempts", "on_interrupt",
                          "accept", "on_reject", "max_repairs", "defaults",
                          "on_length", "max_continuations", "endpoint", "output_expires_after", "max_concurrency",
                          "upstream", "webhook", "expires_after"})  # fmt: skip
_FILE_BATCH_FIELDS = (BATCH_FIELDS - {"requests"}) | {"input_file_id", "input"}
_INPUT_TEXTS = frozenset({"model", "template", "encoding", "delimiter", "id_column"})
_INPUT_COUNTS = {"skip": 0, "take": 1}
_INPUT_FIELDS = _INPUT_TEXTS | _INPUT_COUNTS.keys()
_MOST_LINES = 1_000_000_000
# With what others call the endpoints: Azure.
_ENDPOINTS = {ENDPOINT: ENDPOINT, RESPONSES: RESPONSES, "/chat/completions": ENDPOINT, "/responses": RESPONSES}
_LONGEST_FILE_BATCH = 1_000_000
_LONGEST_TEMPLATE = 20_000
_MOST_BATCH_VALUES = 3_000_000
"""How many values all jobs of an inline batch may have, nested ones included: decoded, they take up to 300 MB."""


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A batch to submit. Its options lack the project and the key of the caller."""

    jobs: list[NewJob]
    options: BatchOptions
    notes: Notes


@dataclass(frozen=True, slots=True)
class NewFileBatch:
    """A batch whose jobs are the lines of a file; its options lack the same. `defaults` is what the batch says of each
    job, and its request has the model of those that name none.
    """

    options: BatchOptions
    read: ReadOptions | None
    """How the file is to be read; None for one that is in OpenAI's form."""
    defaults: NewJob
    shared: BatchDefaults | None = None
    """What the bodies of its requests are merged over."""

    @property
    def merge(self) -> Merge | None:
        """Puts a body over what the batch states for all."""
        return None if self.shared is None else self.shared.merge


def check_batch(body: bytes, settings: Settings) -> NewBatch:
    """The batch that the body of `POST /v1/batches` asks for: every item of it is good, or none is taken."""
    fields, items = _cut(body, settings.max_batch_jobs)
    _require_small(fields, *job_limit(settings))
    if "input_file_id" in fields:
        raise invalid("input_file_id", "give either `requests` or `input_file_id`, not both")
    if items is None:
        raise missing("requests", 'a list of {"custom_id", "body"}')
    if not items:
        raise invalid("requests", "must have at least one item")
    batch = _read_batch(fields)
    require_room(batch.shared, len(items), len(body), settings.max_body_bytes, _MOST_BATCH_VALUES)
    notes = Notes()
    jobs = list(_read_items(items, batch, notes, *job_limit(settings)))
    return NewBatch(jobs, batch.options, notes)


def _cut(body: bytes, max_jobs: int) -> tuple[dict[str, msgspec.Raw], list[memoryview] | None]:
    """The fields beside `requests`, and its items, all as they came."""
    fields: dict[str, msgspec.Raw] = {}
    items: list[memoryview] | None = None
    slices = Slices(body, _MOST_BATCH_VALUES)
    try:
        if not slices.is_at(b"{"):
            raise ApiError(400, "invalid_type", "the body: must be an object")
        for name in slices.fields():
            refuse_unknown([name], BATCH_FIELDS | {"input_file_id"})
            if name in fields or (name == "requests" and items is not None):
                raise invalid(name, "comes twice")
            if name != "requests":
                fields[name] = msgspec.Raw(slices.value())
            elif slices.is_at(b"["):
                items = _cut_items(slices, max_jobs)
            else:
                raise ApiError(400, "invalid_type", "requests: must be a list", param="requests")
        slices.require_end()
    except TooManyValuesError:
        raise ApiError(413, "too_many_values", f"the body: has more than {_MOST_BATCH_VALUES} values; upload the"
                       " requests as a file (POST /v1/files), or split the batch") from None  # fmt: skip
    except ValueError as error:
        raise ApiError(400, "invalid_json", f"the body: not valid JSON: {error}") from None
    return fields, items


def _require_small(fields: dict[str, msgspec.Raw], longest: int, advice: str) -> None:
    """Refuse a batch that says more beside its requests than one job may say: all of it is decoded in one step, and
    nobody else is answered meanwhile.
    """
    size = 0
    for name, text in fields.items():
        size += memoryview(text).nbytes
        if size > longest:
            message = f"{name}: what the batch says beside `requests` is larger than {longest} bytes, the most that is"
            raise ApiError(413, "body_too_large", f"{message} taken {advice}", param=name)
    require_values([bytes(text) for text in fields.values()], "the batch, beside its `requests`, ")


def _cut_items(slices: Slices, max_jobs: int) -> list[memoryview]:
    items = list(islice(slices.items(), max_jobs + 1))
    if len(items) > max_jobs:
        raise ApiError(
            413, "batch_too_large", f"requests: has more than {max_jobs} items (LONGHAND_MAX_BATCH_JOBS): split it",
            param="requests",
        )  # fmt: skip
    return items


def names_file(body: bytes) -> bool:
    """Whether the body of `POST /v1/batches` names a file rather than holding the requests themselves."""
    if len(body) > _LONGEST_FILE_BATCH or b"input_file_id" not in body:
        return False
    fields = read_fields(body)
    return "input_file_id" in fields and "requests" not in fields


def check_file_batch(body: bytes) -> NewFileBatch:
    """The batch that the body of `POST /v1/batches` asks for, when it names a file."""
    fields = read_fields(body)
    refuse_unknown(fields, _FILE_BATCH_FIELDS)
    return _read_batch(fields)


def check_input_order(body: bytes) -> tuple[NewFileBatch, int | None]:
    """What the body of `POST /v1/inputs` asks for: how to read which file, and how many of its requests."""
    fields = read_fields(body)
    refuse_unknown(fields, frozenset({"input_file_id", "input", "limit", "defaults"}))
    limit = read_field(fields, "limit")
    if limit is not None:
        check_integer(limit, "limit", 1, 1000)
    order = _read_batch({name: value for name, value in fields.items() if name != "limit"})
    return replace(order, read=order.read or ReadOptions()), limit


def _read_batch(fields: dict[str, msgspec.Raw]) -> NewFileBatch:
    endpoint = read_field(fields, "endpoint")
    if endpoint not in (None, *_ENDPOINTS):
        raise invalid("endpoint", f'must be "{ENDPOINT}" or "{RESPONSES}"')
    window = read_field(fields, "completion_window")
    seconds = None if window is None else check_window(window)
    outputs = read_field(fields, "output_expires_after")
    # What the batch says of all its jobs, a job's own body may say otherwise.
    defaults = own_fields(fields, "", NewJob(request={}))
    metadata, defaults = defaults.metadata, replace(defaults, metadata={})
    input_file_id = read_field(fields, "input_file_id")
    if input_file_id is not None and not isinstance(input_file_id, str):
        raise invalid("input_file_id", "must be the id of an uploaded file")
    read, model = check_input(fields["input"]) if "input" in fields else (None, None)
    if model is not None:
        defaults = replace(defaults, request={"model": model})
    webhook = read_field(fields, "webhook")
    endpoint = _ENDPOINTS.get(endpoint, ENDPOINT)
    shared = check_defaults(fields["defaults"], endpoint) if "defaults" in fields else None
    most = read_field(fields, "max_concurrency")
    if most is not None:
        check_integer(most, "max_concurrency", 1, 1_000_000)
    options = BatchOptions(
        input_file_id=input_file_id,
        metadata=metadata,
        completion_window=window,
        completion_seconds=seconds,
        output_seconds=check_expiry(outputs),
        max_concurrency=most,
        endpoint=endpoint,
        webhook=None if webhook is None else check_batch_webhook(webhook),
        retention=check_retention(read_field(fields, "expires_after")),
    )
    return NewFileBatch(options, read, defaults, shared)


def check_input(text: msgspec.Raw) -> tuple[ReadOptions | None, str | None]:
    """How a file is to be read, and the model of the lines that name none; a null is as good as nothing."""
    if read_field({"input": text}, "input") is None:
        return None, None
    fields = read_fields(text, "input")
    refuse_unknown(fields, _INPUT_FIELDS, "input")
    values = {name: read_field(fields, name, "input") for name in _INPUT_FIELDS}
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        if name in _INPUT_COUNTS:
            check_integer(value, f"input.{name}", _INPUT_COUNTS[name], _MOST_LINES)
        else:
            check_text(value, f"input.{name}", _LONGEST_TEMPLATE if name == "template" else 256)
    model = given.pop("model", None)
    return ReadOptions(**given), model


def _read_items(
    items: list[memoryview], batch: NewFileBatch, notes: Notes, longest: int, advice: str
) -> Iterator[NewJob]:
    place_of: dict[str, int] = {}
    first: NewJob | None = None
    for place, item in enumerate(items):
        where = f"requests[{place}]"
        if len(item) + (batch.shared.size if batch.shared else 0) > longest:
            raise ApiError(413, "job_too_large", f"{where}: is larger than {longest} bytes, the most that is taken"
                           f" {advice}", param=where)  # fmt: skip
        fields = read_fields(bytes(item), where)
        job = check_item(
            fields, where, batch.defaults, notes, place + 1, endpoint=batch.options.endpoint, merge=batch.merge
        )
        if job.custom_id is not None and place_of.setdefault(job.custom_id, place) != place:
            raise invalid(f"{where}.custom_id", f"is the same as that of requests[{place_of[job.custom_id]}]")
        first = first or job
        require_same_columns(first, job, where)
        yield job

"""A batch's results as one file: JSON Lines, CSV or Markdown.

In all of them a completed text and a partial one have different names, and a completed one that was cut short says so
(`incomplete`): a text that was cut off must never pass for one that is whole.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from api.csv_rows import csv_row
from api.export_words import WORDS, Language, column_headings, input_headings
from api.forms.costs import cost_json
from api.forms.jobs import job_json, seconds, usage_json
from api.http.json_lines import json_line_with
from api.http.slices import in_slices
from jobs.model.batch_records import Batch
from jobs.model.ids import place_in_batch
from jobs.model.message import calls_of
from jobs.model.prompt import prompt_of
from jobs.model.status import JobStatus
from jobs.store.queries import StoredResult
from jobs.strict_json import dump_json

CSV_COLUMNS = (
    "index", "id", "custom_id", "status", "finish_reason", "model", "text", "partial_text", "input_tokens",
    "output_tokens", "total_tokens", "usage_source", "text_tokens", "attempt", "error_code", "error_message",
    "created_at", "started_at", "finished_at", "bytes", "sha256", "metadata", "incomplete", "text_attempt",
    "cost", "cost_currency", "cost_source", "prompt",
)  # fmt: skip
_AS_STORED = (
    "id", "custom_id", "finish_reason", "model", "text_tokens", "attempt", "error_code", "error_message", "bytes",
    "sha256", "incomplete", "text_attempt",
)  # fmt: skip
_TIMES = ("created_at", "started_at", "finished_at")

_FORMULA_SIGNS = frozenset("=+-@\u2212")
"""What a formula begins with, after NFKC; and the minus sign."""
_CONTROLS = frozenset("\t\r\n\v\f")
_UNSEEN = " \u00a0\u2000\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u3000\ufeff\x00"


def jsonl_lines(results: Iterable[StoredResult]) -> Iterator[bytes]:
    """One JSON object per job: the job as the API shows it, its place in the input, and its text."""
    for result in results:
        place = {"index": place_in_batch(result.job.id)}
        yield from json_line_with({**place, **job_json(result.job), **cost_json(result.cost)}, _texts(result))


def csv_lines(results: Iterable[StoredResult], language: Language = "en") -> Iterator[str]:
    """A header and one row per job, quoted as RFC 4180 says; behind a mark by which Excel knows that it is UTF-8.

    Behind our columns are those of the table that the batch was made of. All jobs have those of the first one.
    """
    yield "\ufeff"
    input_columns: list[str] | None = None
    for result in results:
        cells = result.job.cells or {}
        if input_columns is None:
            input_columns = list(cells)
            yield from csv_row([*column_headings(CSV_COLUMNS, language), *input_headings(input_columns, language)])
        row = _csv_row(result)
        own = (row.get(name) for name in CSV_COLUMNS)
        yield from csv_row(_harmless(cell) for cell in (*own, *map(cells.get, input_columns)))
    if input_columns is None:
        yield from csv_row(column_headings(CSV_COLUMNS, language))


def md_lines(batch: Batch, results: Iterable[StoredResult], language: Language = "en") -> Iterator[str]:
    """One document: every article under a heading with its `custom_id` or its number."""
    words = WORDS[language]
    yield f"# {batch.id}\n"
    for result in results:
        job = result.job
        number = place_in_batch(job.id) + 1
        yield f"\n## {' '.join((job.custom_id or words.article.format(number)).split())}\n\n"
        texts = _texts(result)
        if "text" in texts:
            if job.incomplete:
                yield f"*{words.cut_short(job.incomplete)}*\n\n"
            yield from in_slices(texts["text"])
            yield "\n"
            for name, arguments in calls_of(job.message):
                yield f"\n*{words.called.format(name)}*\n\n{_code_block(arguments)}"
        elif "partial_text" in texts:
            why = " ".join(f"{job.error_code}: {job.error_message}".split()) if job.error_code else words.no_reason
            yield f"*{words.not_completed.format(words.status(job.status), why)}*\n"
            if texts["partial_text"]:
                yield f"\n*{words.written}*\n\n"
                yield from in_slices(texts["partial_text"])
                yield "\n"
        else:
            yield f"*{words.not_yet.format(words.status(job.status))}*\n"


def _code_block(content: str) -> str:
    """A block of code in Markdown; what is in it cannot end it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", content)), default=0))
    return f"{fence}\n{content}\n{fence}\n"


def _texts(result: StoredResult) -> dict[str, str]:
    if result.text is None:
        return {}
    return {"text" if result.job.status is JobStatus.COMPLETED else "partial_text": result.text}


def _csv_row(result: StoredResult) -> dict[str, Any]:
    job = result.job
    usage = usage_json(job.usage) if job.usage else {}
    cost = cost_json(result.cost)["cost"] or {}
    return {
        **{name: getattr(job, name) for name in _AS_STORED},
        **{name: seconds(getattr(job, name)) for name in _TIMES},
        **_texts(result),
        **usage,
        "index": place_in_batch(job.id),
        "status": str(job.status),
        "usage_source": usage.get("source"),
        "cost": cost.get("amount"),
        "cost_currency": cost.get("currency"),
        "cost_source": cost.get("source"),
        "metadata": dump_json(job.metadata, ascii_only=False, spaced=True) if job.metadata else None,
        "prompt": prompt_of(job.request or {}),
    }


def _harmless(value: Any) -> Any:
    """A cell that a spreadsheet takes for text: those that begin like a formula get an apostrophe in front. Full-width
    signs are read as the plain ones by spreadsheets of East Asia, and some skip what cannot be seen before a sign.
    """
    if not isinstance(value, str) or not value:
        return value
    start = value.lstrip(_UNSEEN)
    if value[0] in _CONTROLS or unicodedata.normalize("NFKC", start[:1]) in _FORMULA_SIGNS:
        return "'" + value
    return value

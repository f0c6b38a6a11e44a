"""Tables for a terminal, with a line for each job, batch, key or setting."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from longhand.client.batch_objects import Batch
from longhand.client.objects import Job
from longhand.terminal.cells import first_cells, one_line
from longhand.terminal.costs import short_cost
from longhand.terminal.explanations import heading, plain_reason
from longhand.terminal.failures import outcome
from longhand.terminal.tables import moment_of, number, plain_table, seconds, status_text
from longhand.words.catalogue import t

if TYPE_CHECKING:
    # At run time this would load SQLAlchemy for every `longhand jobs`.
    from jobs.store.keys import ApiKey

_REASON_CELLS = 200
"""The most of a reason that a list shows; `longhand show` has all of it, and what each attempt met."""
_SHORT_NAME_CELLS = 14
"""A narrow terminal with reasons has so much room for a custom_id."""


_COUNTS = ("tokens", "seconds")
"""The columns that give way to reasons in a narrow terminal."""
_WIDE = ("attempt", "created", "cost", "model")


def failure_of(job: Job) -> str:
    """Why a job failed, in a line; empty for others, also for one that is tried again."""
    return first_cells(one_line(plain_reason(job)), _REASON_CELLS) if job["status"] in ("failed", "expired") else ""


def jobs_table(listed: Sequence[Job], *, wide: bool) -> Table:
    """Jobs, one on each line; only a wide terminal has room for all columns. Where one has failed, its reason has to
    be among those that a narrow one shows.
    """
    with_reasons = any(map(failure_of, listed))
    with_counts = wide or not with_reasons
    table = plain_table(
        *("id", "status", "custom_id"),
        *(_COUNTS if with_counts else ()),
        *(_WIDE if wide else ()),
        *(("because",) if with_reasons else ()),
        fold=("model", "because"),
    )
    if not with_counts:
        table.columns[2].max_width = _SHORT_NAME_CELLS
    for job in listed:
        cells: list[RenderableType] = [Text(job["id"]), status_of(job), Text(one_line(job.get("custom_id") or ""))]
        if with_counts:
            cells.append(number(job["usage"]["output_tokens"] if job["usage"] else None))
            cells.append(seconds(job.get("started_at"), job.get("finished_at")))
        if wide:
            cells += [str(job["attempt"]), moment_of(job["created_at"]), short_cost(job), Text(one_line(job["model"]))]
        if with_reasons:
            cells.append(Text(failure_of(job)))
        table.add_row(*cells)
    return table


def narrow_lacks(*, with_reasons: bool) -> str:
    """The headings that only a wide terminal shows."""
    return t("join.comma").join(heading(name) for name in ((*_COUNTS, *_WIDE) if with_reasons else _WIDE))


def status_of_batch(batch: Batch) -> Text:
    """The status, and beside it what the word alone would hide."""
    status, counts = status_text(outcome(batch)), batch["request_counts"]
    if batch["status"] == "completed" and counts["failed"]:
        if outcome(batch) == "all_failed":
            return status
        return status.append(t("status.some_failed", number=counts["failed"]), "red")
    if batch["status"] == "completed" and counts["incomplete"]:
        return status.append(t("status.some_cut_short", number=counts["incomplete"]), style="yellow")
    return status.append(t("status.on_hold"), style="yellow") if batch.get("hold") else status


def keys_table(listed: "Sequence[ApiKey]") -> Table:
    """API keys, one on each line."""
    table = plain_table("id", "prefix", "project", "created", "revoked", "name", fold=("name",))
    for key in listed:
        revoked = moment_of(key.revoked_at.timestamp()) if key.revoked_at else ""
        created = moment_of(key.created_at.timestamp())
        table.add_row(key.id, f"{key.prefix}...", key.project, created, Text(revoked, style="red"), Text(key.name))
    return table


def projects_table(rows: Sequence[tuple[str, str]]) -> Table:
    """Projects and how long each keeps what has ended, one on each line."""
    table = plain_table("project", "deleted_after", fold=())
    for name, period in rows:
        table.add_row(Text(name), period)
    return table


def settings_table(rows: Sequence[dict[str, Any]], found_in: Mapping[str, str]) -> Table:
    """Settings, one on each line. `found_in`: the files that say some of them."""
    table = plain_table("setting", "value", "from", fold=("value",))
    for row in rows:
        value = "" if row["value"] is None else str(row["value"])
        origin = found_in.get(row["name"]) or t("settings.environment" if row["is_set"] else "settings.default")
        table.add_row(Text(row["name"]), Text(value), Text(origin))
    return table


def status_of(job: Job) -> Text:
    """The status of a job, and that its text was cut short."""
    status, incomplete = status_text(job["status"]), job.get("incomplete")
    if not incomplete:
        return status
    word = {"no_end_sign": "maybe_cut", "doubtful_seam": "doubtful"}.get(incomplete["reason"], "cut_short")
    return status.append(t(f"status.{word}"), style="yellow")

"""The table of batches: what does not fit beside a whole id is left out as a column, and named."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from longhand.client.batch_objects import Batch
from longhand.terminal.cells import one_line
from longhand.terminal.costs import short_cost
from longhand.terminal.explanations import heading
from longhand.terminal.lists import status_of_batch
from longhand.terminal.tables import NUMBERS, moment_of, number
from longhand.words.catalogue import t

_GAP = 2
"""Cells between two columns."""

_CUT_TO = {"title": 8, "model": 16}
"""The columns that may be cut, and how much of each must be left."""

_GIVEN_UP = ("cost", "created", "model", "tokens", "failed", "jobs")
"""The columns that a narrow terminal goes without, in this order."""


class BatchList(NamedTuple):
    """A table, the headings that it has no room for, and how wide a terminal shows them, too."""

    table: Table
    hidden: str
    wide: int


def batch_list(listed: Sequence[Batch], width: int) -> BatchList:
    """Batches, one on each line, in a terminal of this width."""
    cells = [_cells(batch) for batch in listed]
    needed = {name: max(cell_len(heading(name)), *[row[name].cell_len for row in cells]) for name in cells[0]}
    least = {name: min(room, _CUT_TO.get(name, room)) for name, room in needed.items()}
    wide = _width_of(least)
    shown = dict(least)
    for name in _GIVEN_UP:
        if _width_of(shown) > width:
            del shown[name]
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
    for name, room in shown.items():
        # Rich shrinks the columns that may wrap. These two do not wrap: their cells say so.
        table.add_column(
            Text(heading(name), no_wrap=True),
            justify="right" if name in NUMBERS else "left",
            no_wrap=name not in _CUT_TO,
            overflow="ellipsis",
            min_width=room,
        )
    for row in cells:
        table.add_row(*(row[name] for name in shown))
    return BatchList(table, t("join.comma").join(heading(name) for name in least if name not in shown), wide)


def _cells(batch: Batch) -> dict[str, Text]:
    counts, usage = batch["request_counts"], batch["usage"]
    cells = {
        "id": Text(batch["id"]),
        "status": status_of_batch(batch),
        "title": Text(one_line((batch.get("metadata") or {}).get("title", ""))),
        "jobs": Text(number(counts["total"])),
        "completed": Text(number(counts["completed"])),
        "failed": Text(number(counts["failed"])),
        "tokens": Text(number(usage["output_tokens"] if usage else None)),
        "created": Text(moment_of(batch["created_at"])),
        "cost": Text(short_cost(batch)),
        "model": Text(one_line(batch["model"] or "")),
    }
    for cell in cells.values():
        cell.no_wrap = True
    return cells


def _width_of(columns: dict[str, int]) -> int:
    return sum(columns.values()) + _GAP * (len(columns) - 1)

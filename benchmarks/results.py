"""Figures on their way into a table: printed, and kept as JSON for the plot and for whoever compares."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import load_now

PLACE = Path(__file__).parent / "results"


def show(title: str, rows: Sequence[Mapping[str, Any]], keep_as: str | None = None) -> None:
    """Print rows as a Markdown table, and keep them in `benchmarks/results/<keep_as>.json`."""
    if keep_as is not None:
        PLACE.mkdir(exist_ok=True)
        (PLACE / f"{keep_as}.json").write_text(json.dumps(list(rows), indent=1) + "\n")
    names = list(dict.fromkeys(name for row in rows for name in row))
    print(f"\n### {title}\n\n| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in rows:
        print(f"| {' | '.join(_cell(row.get(name, '')) for name in names)} |")
    print(f"\nload average afterwards: {load_now()}", flush=True)


def kept(name: str) -> list[dict[str, Any]]:
    """What was kept last; nothing when it was never run."""
    path = PLACE / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else []


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)

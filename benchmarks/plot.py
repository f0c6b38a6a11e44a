"""`python -m benchmarks.plot`: draws `docs/performance.svg` from what the benchmarks kept in `benchmarks/results/`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.results import kept

PLACE = Path(__file__).parent.parent / "docs" / "performance.svg"
PARTS = {"worker": "#4477aa", "api": "#ee9944", "valkey": "#55aa77"}
_WIDTH, _BAR, _GAP, _LEFT, _SCALE = 760, 16, 8, 300, 400
_OPEN = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" font-family="sans-serif" font-size="12">'


def draw(rows: Sequence[tuple[str, dict[str, float]]]) -> str:
    """Stacked horizontal bars, one a row, in microseconds of CPU per delta."""
    longest = max(sum(parts.values()) for _, parts in rows)
    height = 60 + len(rows) * (_BAR + _GAP)
    made = [
        _OPEN.format(_WIDTH, height),
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="10" y="20" font-weight="bold">CPU per delta, microseconds</text>',
    ]
    for place, (name, colour) in enumerate(PARTS.items()):
        left = _LEFT + 90 * place
        made.append(f'<rect x="{left}" y="10" width="12" height="12" fill="{colour}"/>')
        made.append(f'<text x="{left + 17}" y="20">{name}</text>')
    for place, (label, parts) in enumerate(rows):
        y = 40 + place * (_BAR + _GAP)
        made.append(f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(label)}</text>')
        x = float(_LEFT)
        for name, colour in PARTS.items():
            width = _SCALE * parts.get(name, 0.0) / longest
            made.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>')
            x += width
        made.append(f'<text x="{x + 6:.1f}" y="{y + 12}">{sum(parts.values()):.0f}</text>')
    return "\n".join([*made, "</svg>", ""])


def main() -> None:
    """Draw."""
    own: list[tuple[str, dict[str, Any]]] = [
        (f"Longhand, stored and watched, {row['streams']} streams", row) for row in kept("deltas")
    ]
    others = [(row["what"], row) for row in kept("peers") if "Longhand" not in row["what"]]
    rows = [(label, {name: float(row.get(name, 0.0)) for name in PARTS}) for label, row in others + own]
    if rows:
        PLACE.write_text(draw(rows))


if __name__ == "__main__":
    main()

"""The list of batches: ids, states and numbers are whole in every terminal, whatever the titles are."""

from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from longhand.terminal.batch_list import batch_list
from longhand.terminal.explanations import heading
from longhand.words.catalogue import Language, speaking, t

ID = "batch_01a223a91de8000003cc74c0123456789"[:35]


def batch(**fields: Any) -> Any:
    counts = {"total": 12_345, "completed": 8_765, "failed": 3_580, "incomplete": 0}
    usage = {"output_tokens": 98_765_432}
    made: Any = {"id": ID, "status": "completed", "request_counts": counts, "usage": usage, "created_at": 0}
    return {**made, "model": "deepseek-chat", "metadata": {"title": "关于茶文化与春节的长篇文章" * 5}, **fields}


def shown_at(width: int, *listed: Any) -> tuple[list[str], str, int]:
    found = batch_list(listed, width)
    written = StringIO()
    Console(file=written, width=width).print(found.table)
    return written.getvalue().splitlines(), found.hidden, found.wide


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 100, 120, 130, 200])
def test_no_title_cuts_an_id_a_status_or_a_number(width: int, language: Language) -> None:
    with speaking(language):
        (head, *rows), hidden, wide = shown_at(width, batch(), batch(metadata=None), batch(status="in_progress"))
        assert len(rows) == 3  # nothing wraps
        assert all(cell_len(line) <= width for line in [head, *rows])
        status = t("status.completed") + t("status.some_failed", number=3_580)
        values = {"id": ID, "status": status, "completed": "8,765", "jobs": "12,345", "failed": "3,580",
                  "tokens": "98,765,432", "model": "deepseek-chat"}  # fmt: skip
        left_out = [name for name in values if heading(name) in hidden.split(t("join.comma"))]
        assert [name for name, value in values.items() if name not in left_out and value not in rows[0]] == []
        assert {"id", "status", "completed"}.isdisjoint(left_out)
        assert "…" in rows[0]  # its title
        assert ("…" in rows[1]) is False
        assert bool(hidden) == (width < wide)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_terminal_as_wide_as_is_told_has_every_column(language: Language) -> None:
    with speaking(language):
        _, hidden, wide = shown_at(80, batch())
        assert hidden
        assert shown_at(wide, batch())[1] == ""
        assert shown_at(wide - 1, batch())[1] == heading("cost")

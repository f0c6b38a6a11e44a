"""Which column of a table could name its articles, where none is called custom_id."""

from collections.abc import Mapping, Sequence

_LIKELY = ("id", "name", "title", "slug", "key", "编号", "序号", "名称", "标题")
_LONGEST_NAME = 64


def naming_column(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str | None:
    """One that has another short text in every row: of several the one that is called so, else the first."""
    fit = [column for column in columns if _names_each([row.get(column, "") for row in rows])]
    return next((column for likely in _LIKELY for column in fit if column.strip().lower() == likely), None) or next(
        iter(fit), None
    )


def _names_each(texts: Sequence[str]) -> bool:
    return all(0 < len(text.strip()) <= _LONGEST_NAME for text in texts) and len(set(texts)) == len(texts)

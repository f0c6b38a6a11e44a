"""The reference pages name everything that there is: each setting with its default, and each error code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from jobs.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

REFUSALS = {"ApiError": 1, "Budget": 1, "invalid": 2, "JobError": 0}
"""Functions that take an error code, and at which place."""

SAID_OTHERWISE = {
    "LONGHAND_UPSTREAM_URL": "`OPENAI_BASE_URL`",
    "LONGHAND_UPSTREAM_API_KEY": "`OPENAI_API_KEY`",
    "LONGHAND_HOME": "`.longhand`",
    "LONGHAND_DATABASE_URL": "SQLite in the home",
    "LONGHAND_REDIS_URL": "the embedded Valkey",
    "LONGHAND_FILES": "`files` in the home",
}
"""Defaults that are not a value of the class."""


def rows_of(page: str) -> list[list[str]]:
    """The cells of every row of a page's tables."""
    lines = (DOCS / page).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `LONGHAND_")]


def test_the_settings_page_has_each_setting_with_its_default() -> None:
    shown = {row[0].strip("`"): row[1] for row in rows_of("settings.md")}
    assert shown == {f"{PREFIX}{name.upper()}": default_of(name) for name in Settings.model_fields}


def default_of(name: str) -> str:
    """A default as the page writes it."""
    if (said := SAID_OTHERWISE.get(f"{PREFIX}{name.upper()}")) is not None:
        return said
    default = Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, dict) or (isinstance(default, str) and default != "none"):
        return f"`{default}`"
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_errors_page_has_each_code_and_no_other() -> None:
    shown = set(
        re.findall(r"`([a-z]+(?:_[a-z]+)+|cancelled|expired|deleted|interrupted|repetition)`", tables_of("errors.md"))
    )
    codes = set(codes_of("api", "jobs", "worker"))
    assert codes - shown == set()
    assert shown - codes <= {"max_attempts", "max_tokens", "response_format"}


def tables_of(page: str) -> str:
    """The rows of a page's tables, as one text."""
    return "\n".join(line for line in (DOCS / page).read_text().splitlines() if line.startswith("|"))


def codes_of(*folders: str) -> Iterator[str]:
    """Every error code in the source: arguments of refusals, and the attribute `code` of the errors' classes."""
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    yield from _codes_of_call(node)
                elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
                    yield from _strings(node.value)


def _codes_of_call(node: ast.Call) -> Iterator[str]:
    place = REFUSALS.get(getattr(node.func, "id", ""))
    if place is not None and len(node.args) > place:
        yield from _strings(node.args[place])


def _strings(node: ast.expr) -> Iterator[str]:
    values = [node.body, node.orelse] if isinstance(node, ast.IfExp) else [node]
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
            yield value.value

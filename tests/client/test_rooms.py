"""The rooms of the code: no two import each other, no file is long, and what a module says of its files is true."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.stack.running_up import ROOT

_TOPS = ("api", "jobs", "longhand", "migrations", "worker")
_FILES = sorted(path.relative_to(ROOT) for top in _TOPS for path in (ROOT / top).rglob("*.py"))
_LONGEST = 260


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


_BY_MODULE = {_module(path): path for path in _FILES}


def _room(path: Path) -> str:
    """A folder below the top with all that is in it, or a single file beside the folders."""
    return "/".join(path.parts[:2])


def _imports(path: Path) -> Iterator[Path]:
    """The files that a file imports, also inside functions."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in _BY_MODULE else node.module for name in names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (_BY_MODULE[name] for name in names if name in _BY_MODULE)


def test_no_two_rooms_import_each_other() -> None:
    rooms: dict[str, set[str]] = {}
    for path in _FILES:
        rooms.setdefault(_room(path), set()).update(_room(other) for other in _imports(path))
    assert sum(map(len, rooms.values())) > 100
    TopologicalSorter({room: others - {room} for room, others in rooms.items()}).prepare()  # raises on a cycle


@pytest.mark.parametrize(
    ("top", "never"),
    [("jobs", {"api", "worker", "longhand"}), ("api", {"worker", "longhand"}), ("worker", {"api", "longhand"})],
)
def test_imports_between_the_tops_go_one_way(top: str, never: set[str]) -> None:
    found = {other.parts[0] for path in _FILES if path.parts[0] == top for other in _imports(path)}
    assert top in found
    assert not found & never


def test_no_file_of_code_is_long() -> None:
    """Neither of the product nor of its tests, in any language; what others made for us may be."""
    tops = (*_TOPS, "tests", "benchmarks", "examples")
    code = [path for top in tops for end in ("py", "js", "css") for path in (ROOT / top).rglob(f"*.{end}")]
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in code if "vendor" not in path.parts}
    assert len(lines) > len(_FILES) > 100
    assert {path: count for path, count in lines.items() if count > _LONGEST} == {}


def test_every_file_that_a_module_names_is_there() -> None:
    missing = []
    there = [f"/{file.relative_to(ROOT)}" for top in (*_TOPS, "tests") for file in (ROOT / top).rglob("*.py")]
    for path in _FILES:
        docstring = ast.get_docstring(ast.parse((ROOT / path).read_text())) or ""
        named = re.findall(r"`([\w/]+\.py)`", docstring)
        missing += [f"{path}: {name}" for name in named if not any(file.endswith(f"/{name}") for file in there)]
    assert missing == []

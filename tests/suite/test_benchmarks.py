"""`make bench` leaves no benchmark out."""

import ast
import re
from pathlib import Path

from benchmarks.__main__ import COMMANDS

ROOT = Path(__file__).parents[2] / "benchmarks"
OTHERS = {"benchmarks", "benchmarks.loops", "benchmarks.readers", "benchmarks.upstream"}
"""The command itself, what needs texts of yours, and the parts of the others."""


def test_make_bench_runs_every_benchmark() -> None:
    documents = [ast.get_docstring(ast.parse(path.read_text())) or "" for path in ROOT.rglob("*.py")]
    found = {name[1] for text in documents if (name := re.match(r"`python -m ([\w.]+)", text))}
    assert {"benchmarks.deltas", "benchmarks.pace"} <= found
    assert {module for module, *_ in COMMANDS} == found - OTHERS

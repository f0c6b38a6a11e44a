"""Which tests may lose a race, and that none of the store, of a watcher or of a parser may."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.suite.marks import LONG, WAITING

ROOT = Path(__file__).parents[2]
RUNS = ("chaos", "test")
"""What `.ci/run` makes."""

CONFTEST = """
import pytest

from tests.suite.marks import mark_chaos, mark_processes, mark_races

@pytest.fixture
def browser():
    return None

@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    mark_chaos(items)
    mark_races(items)
    mark_processes(items)

@pytest.fixture
def postgres_server():
    return None

@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    return request.param
"""


INI = """
[pytest]
markers =
    chaos: kills
    races: may lose
    processes: starts one
"""


def collected(folder: Path, files: dict[str, str], chosen: str = "races") -> subprocess.CompletedProcess[str]:
    """What pytest lists of these files for a choice of marks."""
    for name, content in {
        "conftest.py": CONFTEST,
        "pytest.ini": INI,
        **files,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", chosen, "--strict-markers", "tests"]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_the_chaos_suite_and_what_needs_a_browser_may_be_run_again(tmp_path: Path) -> None:
    files = {
        "tests/chaos/test_kills.py": "def test_a(): pass\n",
        "tests/page/test_page.py": "def test_b(browser): pass\ndef test_c(): pass\n",
        "tests/store/test_rows.py": "def test_d(): pass\n",
    }
    listed = collected(tmp_path, files).stdout.splitlines()
    assert [line for line in listed if "::" in line] == [
        "tests/chaos/test_kills.py::test_a",
        "tests/page/test_page.py::test_b",
    ]


def test_the_quick_tests_start_no_process(tmp_path: Path) -> None:
    files = {
        "tests/chaos/test_kills.py": "def test_a(): pass\n",
        "tests/store/test_rows.py": "def test_b(database): pass\ndef test_c(postgres_server): pass\n",
        "tests/store/test_load.py": "import multiprocessing\n\ndef test_d(): pass\n",
        "tests/stack/test_up.py": "import pytest\n\npytestmark = pytest.mark.races\n\ndef test_e(): pass\n",
        "tests/upstream/test_sse.py": "def test_f(): pass\n",
    }
    listed = collected(tmp_path, files, "not processes").stdout.splitlines()
    assert [line for line in listed if "::" in line] == [
        "tests/store/test_rows.py::test_b[sqlite]",
        "tests/upstream/test_sse.py::test_f",
    ]


@pytest.mark.parametrize("name", [*LONG, *WAITING])
def test_what_is_left_out_as_long_or_begins_exists(name: str) -> None:
    path, _, test = name.partition("::")
    assert f"def {test or 'test_'}" in (ROOT / path).read_text()


@pytest.mark.parametrize(
    "name",
    [
        "tests/store/test_rows.py",
        "tests/providers/test_cases.py",
        "tests/upstream/test_sse.py",
        "tests/inputs/test_tables.py",
        "tests/api/test_watch_faults.py",
        "tests/api/test_batch_watch.py",
        "tests/client/test_watch_exact.py",
    ],
)
def test_a_test_that_must_be_exact_at_any_speed_cannot_be_marked(tmp_path: Path, name: str) -> None:
    marked = "import pytest\n\n@pytest.mark.races\ndef test_a(): pass\n"
    ran = collected(tmp_path, {name: marked})
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"{name}::test_a must pass at any speed: it cannot be marked `races`" in ran.stdout + ran.stderr


def test_what_kills_is_run_by_make_chaos_and_all_else_by_make_test(tmp_path: Path) -> None:
    files = {
        "tests/chaos/test_kills.py": "def test_a(): pass\n",
        "tests/client/test_watch.py": "import pytest\n\n@pytest.mark.chaos\ndef test_b(): pass\ndef test_c(): pass\n",
    }
    lines = (ROOT / "Makefile").read_text().splitlines()
    told = {name: lines[next(i for i, line in enumerate(lines) if line.startswith(f"{name}:")) + 1] for name in RUNS}
    chosen = {name: told[name].partition(" -m ")[2].removesuffix(" tests").strip('"') for name in RUNS}
    listed = {name: collected(tmp_path, files, marks).stdout.splitlines() for name, marks in chosen.items()}
    assert {name: [line for line in of if "::" in line] for name, of in listed.items()} == {
        "chaos": ["tests/chaos/test_kills.py::test_a", "tests/client/test_watch.py::test_b"],
        "test": ["tests/client/test_watch.py::test_c"],
    }
    assert told["chaos"].endswith(" tests"), "also what is not in pytest's testpaths"


def test_every_folder_with_tests_is_run() -> None:
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["testpaths"]
    folders = {f"tests/{file.parent.name}" for file in (ROOT / "tests").glob("*/test_*.py")}
    assert folders == {*paths, "tests/chaos"}

"""The unit tests of the page's JavaScript, `units/*.test.js`, which Node runs without a browser."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parent / "units").glob("*.test.js"))


def test_the_unit_tests_of_the_pages_scripts_pass() -> None:
    node = shutil.which("node")
    if node is None:
        missing = "node is not installed: the page's scripts are not unit-tested (Debian: apt-get install nodejs)"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    # In one process: `--test` starts one for each file.
    each = "for (const file of process.argv.slice(1)) await import(file);"
    command = [node, "--test-reporter", "tap", "--input-type", "module", "--eval", each, *map(str, UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = dict(line.split()[1:] for line in done.stdout.splitlines() if line.startswith(("# pass ", "# tests ")))
    assert int(counts["pass"]) == int(counts["tests"]) >= len(UNITS) > 0, "some are skipped"

"""The map of the code: it names at most 35 files on a job's way, and each is there with what the map says of it."""

import re

import pytest

from tests.stack.running_up import ROOT

_TEXT = (ROOT / "docs" / "architecture.md").read_text()
_ROWS = re.findall(r"^\| \[`([^`]+)`\]\(\.\./([^)]+)\) \| (.+) \|$", _TEXT, flags=re.MULTILINE)


def test_the_way_of_a_job_is_at_most_35_files() -> None:
    files = [file for file, _, _ in _ROWS]
    assert 25 < len(files) <= 35
    assert sorted(files) == sorted(set(files))
    assert len(_ROWS) == _TEXT.count("\n| [")


@pytest.mark.parametrize(("file", "link", "says"), _ROWS, ids=[file for file, _, _ in _ROWS])
def test_every_file_has_what_the_map_says_of_it(file: str, link: str, says: str) -> None:
    assert file == link
    code = (ROOT / file).read_text()
    named = [name for name in re.findall(r"`(\w+)`", says) if name not in ("queued", "done", "in_progress")]
    assert [name for name in named if not re.search(rf"\b{name}\b", code)] == []

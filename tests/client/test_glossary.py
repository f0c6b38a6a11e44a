"""The glossary: every word stands in it once, and is where the glossary says."""

import re

import pytest

from tests.stack.running_up import ROOT

_LINES = [line for line in (ROOT / "docs" / "glossary.md").read_text().splitlines() if line.startswith("| ")]
_WORDS = [line.split(" | ")[0].removeprefix("| ") for line in _LINES if not line.startswith("| word ")]
_LINKS = [link for line in _LINES for link in re.findall(r"\[`([^`]+)`\]\(([^)]+)\)", line)]


def test_every_word_stands_once_in_the_glossary() -> None:
    assert len(_WORDS) > 50
    assert sorted(_WORDS) == sorted(set(_WORDS))


@pytest.mark.parametrize(("name", "link"), _LINKS, ids=lambda part: part)
def test_every_word_of_the_glossary_is_in_the_file_that_it_names(name: str, link: str) -> None:
    file = ROOT / "docs" / link
    assert file.is_file(), f"{link} has moved"
    assert re.search(rf"\b{re.escape(name)}\b", file.read_text())

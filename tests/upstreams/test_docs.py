"""What docs/upstreams.md tells people to write is right, and it tells of every key."""

import re
from pathlib import Path

import pytest

from jobs.settings import Settings
from jobs.upstreams.read import UPSTREAM_KEYS, read_upstreams
from tests.upstreams.files import settings_of

DOCS = (Path(__file__).parents[2] / "docs" / "upstreams.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_has_no_mistake(example: str) -> None:
    found = read_upstreams(example.encode(), Path("/nowhere"), settings_of(), needs_keys=False)
    assert found.mistakes == ()
    assert found.upstreams.specs


def test_every_key_is_told_of() -> None:
    told = re.findall(r"^\| `(\w+)` \|", DOCS, re.MULTILINE)
    assert told == list(UPSTREAM_KEYS)


def test_the_settings_that_are_named_exist() -> None:
    named = set(re.findall(r"LONGHAND_([A-Z_]+[A-Z])", DOCS)) - {"UPSTREAM"}
    assert {name.lower() for name in named} <= set(Settings.model_fields)

"""A whole stack on a server that writes one answer at a time and interrupts it when the next request comes."""

from pathlib import Path

import pytest

from tests.real_servers.check import check
from tests.real_servers.interrupting_server import interrupting_server

pytestmark = [pytest.mark.chaos, pytest.mark.races]


def test_a_batch_of_20_is_completed_with_every_text_exact_at_default_settings(tmp_path: Path) -> None:
    verdict = check(interrupting_server(), tmp_path / "home", jobs=20, max_tokens=40)
    assert verdict.has_passed, "\n".join(verdict.lines())

"""For the tests of watching."""

import pytest

from tests.api.watching import Writer


@pytest.fixture(params=["text", "reasoning"])
def either_text(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test twice: once the played worker writes a text alone, once reasoning beside it."""
    monkeypatch.setattr(Writer, "thinks", request.param == "reasoning")

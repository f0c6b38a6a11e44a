"""A simulator, and the environment of a `longhand up` that has it as its upstream."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from longhand.simulator import Pace, ServedSimulator, serve_in_thread
from tests.stack.running_up import quick


@pytest.fixture(scope="module")
def simulator() -> Iterator[ServedSimulator]:
    with serve_in_thread(Pace(deltas_per_second=60, first_delta_seconds=0.05)) as served:
        yield served


@pytest.fixture
def environ(tmp_path: Path, simulator: ServedSimulator) -> dict[str, str]:
    return quick(tmp_path / "home", simulator.url)

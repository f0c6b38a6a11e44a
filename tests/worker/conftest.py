"""What most tests of the worker stand on."""

from collections.abc import Iterator

import pytest

from longhand.simulator import ServedSimulator
from tests.worker.ear import Ear, listening
from tests.worker.one_recording import JOB
from tests.worker.worker_fixtures import fast_simulator


@pytest.fixture
def simulator() -> Iterator[ServedSimulator]:
    """An upstream that does not wait, and whose record is empty."""
    with fast_simulator() as served:
        yield served


@pytest.fixture
def ear(redis_url: str) -> Iterator[Ear]:
    """Who hears what is told of the one recording."""
    with listening(redis_url, JOB) as heard:
        yield heard

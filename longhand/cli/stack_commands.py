"""The commands that start something. Each imports what it starts only when it runs, so that no other command waits."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from jobs.settings import Settings, load_settings
from jobs.starting import loading
from longhand.client.connection import DEFAULT_PORT
from longhand.client.errors import LonghandError, first_line
from longhand.terminal.output import open_console, print_line
from longhand.terminal.tables import stack_summary
from longhand.words.catalogue import t

if TYPE_CHECKING:
    # At run time this would load pydantic for every command.
    from jobs.upstreams import UpstreamSpec
    from longhand.stack.stack import Stack

Port = Annotated[int, typer.Option(min=0, max=65535)]


def up(
    host: str = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    workers: Annotated[int, typer.Option(min=1)] = 1,
    api_workers: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Run the whole stack from this terminal: Valkey, the workers and the API. Ctrl-C stops all of it."""
    from longhand.stack.home import locked_home, write_url  # noqa: PLC0415  # no other command needs it
    from longhand.stack.signals import StopSignals  # noqa: PLC0415  # no other command needs it

    settings = load_settings()
    specs = _check_upstreams(settings, port)
    console = open_console()

    def report(line: str) -> None:
        _print(console, line)

    def report_until_end(line: str) -> None:
        if not signals.stopped:
            report(line)

    # Everything that these processes make in the home is for its owner alone.
    os.umask(0o077)
    with StopSignals() as signals, locked_home(settings.home) as home:
        # Only now: commands of this folder wait for a stack that is starting, which they know by the lock.
        from longhand.stack.stack import Stack, StackStoppedError, choose_port  # noqa: PLC0415  # loads Alembic
        from longhand.stack.supervisor import Supervisor  # noqa: PLC0415  # no other command needs it
        from longhand.stack.upstream_check import report_upstream_answers  # noqa: PLC0415  # loads httpx
        from longhand.terminal.upstream_news import UpstreamNews, tell_upstream_news  # noqa: PLC0415  # loads SQLAlchemy

        # Before anything is said to start, and ended again.
        port = choose_port(host, port)
        stack = Stack(settings, home, host, port, workers, api_workers, signals, Supervisor(report))
        try:
            report(t("up.starting", home=home))
            stack.start()
            write_url(home, stack.url)
            _print(console, stack_summary(stack))
            report(t("up.open", url=stack.url))
            report_upstream_answers(specs, report_until_end)
            addresses = {spec.name: spec.address for spec in specs}
            tell_upstream_news(settings.database, UpstreamNews(report_until_end, addresses))
            stack.run()
        except StackStoppedError:
            pass
        finally:
            report(_said_at_the_end(stack))
            stack.end()
        report(t("up.ended"))


def _said_at_the_end(stack: "Stack") -> str:
    """What is written at this moment is paid for again; where nothing is, there is nothing to warn of."""
    from longhand.stack.unfinished import count_unfinished  # noqa: PLC0415  # loads SQLAlchemy

    workers = [(one.running.pid, one.mark) for one in stack.services if one.running and one.mark]
    count = count_unfinished(stack.settings.database, workers)
    if count == 0:
        return t("up.ending")
    return t("up.ending_perhaps") if count is None else t("up.ending_unfinished", count=count)


def demo(
    model: str = "gpt-4o-mini",
    keep: Annotated[bool, typer.Option("--keep")] = False,
) -> None:
    """See Longhand at work: 20 articles, each watched live, stored, and compared."""
    from longhand.demo.run import run_demo  # noqa: PLC0415  # loads the stack and the simulator

    # It is set in many shells for other programs, and a demo must not spend money that nobody meant for it.
    os.environ.pop("OPENAI_BASE_URL", None)
    if not run_demo(load_settings(), model, keep=keep):
        raise typer.Exit(1)


def migrate() -> None:
    """Bring the database (LONGHAND_DATABASE_URL) to the newest revision. Safe to run from several places at once."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # loads SQLAlchemy

    from migrations import migrate as migrate_database  # noqa: PLC0415  # loads Alembic

    settings = load_settings()
    try:
        migrate_database(settings.database)
    except SQLAlchemyError as error:
        raise LonghandError(t("migrate.failed", why=first_line(error))) from None
    print_line(t("migrate.done"))


def api(
    host: str = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    share_port: Annotated[bool, typer.Option("--share-port")] = False,
) -> None:
    """Run the API alone, in this process. Needs a migrated database and LONGHAND_REDIS_URL."""
    settings = _for_service()
    _check_upstreams(settings, port, needs_keys=False)

    with loading():
        from api.main import run_api  # noqa: PLC0415  # loads FastAPI

    with _right_schema():
        run_api(settings, host, port, share_port=share_port)


def worker() -> None:
    """Run one worker alone, in this process."""
    settings = _for_service()
    _check_upstreams(settings)

    with loading():
        from worker.main import run_worker  # noqa: PLC0415  # loads Celery

    with _right_schema():
        run_worker(settings)


def _check_upstreams(settings: Settings, port: int = 0, *, needs_keys: bool = True) -> "Sequence[UpstreamSpec]":
    """Refuse to start with wrong upstreams or, where keys are needed, with none; returns those that there are."""
    from jobs.upstreams import UpstreamSource  # noqa: PLC0415  # no other command needs it

    return UpstreamSource(settings, port, needs_keys=needs_keys).current().specs


def _for_service() -> Settings:
    settings = load_settings()
    settings.require_redis_url()
    return settings


@contextmanager
def _right_schema() -> Iterator[None]:
    from jobs.store.revision import RevisionError  # noqa: PLC0415  # loads SQLAlchemy

    try:
        yield
    except RevisionError as error:
        raise LonghandError(str(error)) from None


def _print(console: Console, what: object) -> None:
    try:
        console.print(what, soft_wrap=isinstance(what, str), markup=False)
    except OSError:
        # The terminal is gone. That the end cannot be reported must not keep it from happening.
        return

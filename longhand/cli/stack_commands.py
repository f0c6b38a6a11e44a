"""The commands that start something. Each imports what it starts only when it runs, so that no other command waits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from jobs.settings import Settings, load_settings
from longhand.client.connection import DEFAULT_PORT
from longhand.client.errors import LonghandError, first_line
from longhand.terminal.output import open_console, print_line
from longhand.terminal.tables import stack_summary

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)]


def up(
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    workers: Annotated[int, typer.Option(help="Worker processes, each with LONGHAND_STREAMS streams.", min=1)] = 1,
    api_workers: Annotated[int, typer.Option(help="API processes, which share the port.", min=1)] = 1,
) -> None:
    """Run the whole stack from this terminal: Valkey, the workers and the API. Ctrl-C stops all of it.

    Set LONGHAND_UPSTREAM_URL (or OPENAI_BASE_URL) to the endpoint that writes, or LONGHAND_UPSTREAMS to a file of
    several. Everything is stored in LONGHAND_HOME (default: .longhand). An embedded Valkey is started unless you set
    LONGHAND_REDIS_URL.

    Examples: `longhand up`, `longhand up --port 8441 --workers 2`
    """
    from longhand.stack.home import locked_home  # noqa: PLC0415  # no other command needs it
    from longhand.stack.signals import StopSignals  # noqa: PLC0415  # no other command needs it
    from longhand.stack.stack import Stack, StackStoppedError  # noqa: PLC0415  # loads Alembic and httpx
    from longhand.stack.supervisor import Supervisor  # noqa: PLC0415  # no other command needs it
    from longhand.stack.upstream_check import say_whether_the_upstream_answers  # noqa: PLC0415  # loads httpx

    settings = load_settings()
    _check_upstreams(settings, port)
    console = open_console()

    def report(line: str) -> None:
        _say(console, line)

    # Everything that these processes make in the home is for its owner alone.
    os.umask(0o077)
    with StopSignals() as signals, locked_home(settings.home) as home:
        stack = Stack(settings, home, host, port, workers, api_workers, signals, Supervisor(report))
        try:
            report(f"starting in {home} ...")
            stack.start()
            _say(console, stack_summary(stack))
            report(f"open {stack.url} in your browser")
            say_whether_the_upstream_answers(
                stack.url, settings, lambda line: None if signals.stopped else report(line)
            )
            stack.run()
        except StackStoppedError:
            pass
        finally:
            report(
                "ending ... (articles that are being written go back to the queue, uncharged; the next `longhand up`"
                " writes them)"
            )
            stack.end()
        report("ended")


def demo(
    model: Annotated[str, typer.Option(help="The model that writes the articles.")] = "gpt-4o-mini",
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, to look around, until Ctrl-C.")] = False,
) -> None:
    """See Longhand at work: 20 articles, each watched live, stored, and compared.

    Starts a whole stack in a temporary home and removes it afterwards. If you set LONGHAND_UPSTREAM_URL, that endpoint
    writes the articles; otherwise a simulator does. OPENAI_BASE_URL does not count here. The exit code is 0 only if
    every stored text equals what was watched.

    Examples: `longhand demo`, `longhand demo --keep`
    """
    from longhand.demo.run import run_demo  # noqa: PLC0415  # loads the stack and the simulator

    # It is set in many shells for other programs, and a demo must not spend money that nobody meant for it.
    os.environ.pop("OPENAI_BASE_URL", None)
    if not run_demo(load_settings(), model, keep=keep):
        raise typer.Exit(1)


def migrate() -> None:
    """Bring the database (LONGHAND_DATABASE_URL) to the newest revision. Safe to run from several places at once.

    Example: `LONGHAND_DATABASE_URL=postgresql://... longhand migrate`
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # loads SQLAlchemy

    from migrations import migrate as migrate_database  # noqa: PLC0415  # loads Alembic

    settings = load_settings()
    try:
        migrate_database(settings.database)
    except SQLAlchemyError as error:
        raise LonghandError(f"the database could not be migrated: {first_line(error)}") from None
    print_line("the database is at the newest revision")


def api(
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    share_port: Annotated[
        bool, typer.Option("--share-port", help="Let other APIs with this option listen on the same port.")
    ] = False,
) -> None:
    """Run the API alone, in this process. Needs a migrated database and LONGHAND_REDIS_URL.

    Example: `longhand api --host 0.0.0.0 --port 8440`
    """
    settings = _for_service()
    _check_upstreams(settings, port, needs_keys=False)

    from api.main import run_api  # noqa: PLC0415  # loads FastAPI

    with _right_schema():
        run_api(settings, host, port, share_port=share_port)


def worker() -> None:
    """Run one worker alone, in this process.

    Needs a migrated database, LONGHAND_REDIS_URL and LONGHAND_UPSTREAM_URL (or OPENAI_BASE_URL, or LONGHAND_UPSTREAMS).

    Example: `longhand worker`
    """
    settings = _for_service()
    _check_upstreams(settings)

    from worker.main import run_worker  # noqa: PLC0415  # loads Celery

    with _right_schema():
        run_worker(settings)


def _check_upstreams(settings: Settings, port: int = 0, *, needs_keys: bool = True) -> None:
    """Refuse to start with wrong upstreams or, where keys are needed, with none."""
    from jobs.upstreams import open_upstreams  # noqa: PLC0415  # no other command needs it

    open_upstreams(settings, port, needs_keys=needs_keys)


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


def _say(console: Console, what: object) -> None:
    try:
        console.print(what, soft_wrap=isinstance(what, str), markup=False)
    except OSError:
        # The terminal is gone. That the end cannot be reported must not keep it from happening.
        return

"""The command `longhand`: its list of commands, and how a mistake becomes one clear line and an exit code.

Exit codes: 0 for success, 1 for failure, 2 for input that cannot be used (arguments, files, settings), 130 for Ctrl-C.
"""

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from traceback import extract_tb
from typing import Annotated, Any

import typer
from typer.main import get_command

from jobs.settings import SettingsError
from jobs.version import read_version
from longhand.cli import (
    hold_commands,
    job_commands,
    key_commands,
    list_commands,
    local_commands,
    project_commands,
    result_commands,
    simulate_command,
    stack_commands,
    status_command,
    submit_command,
    upstream_commands,
    watch_commands,
    webhook_commands,
)
from longhand.cli.command_client import has_asked, use_server
from longhand.cli.help import add_help, translate_typer
from longhand.client.answers import WRONG_FORM
from longhand.client.errors import LonghandError, StrangeAnswerError
from longhand.terminal.explanations import explained
from longhand.terminal.output import never_fail_to_print, print_line
from longhand.words.catalogue import language_of, speak, spoken, t, translated

_NAMES = {"open_page": "open"}
"""Commands whose function cannot have their name: it is Python's own."""

_OURS = ("api", "jobs", "longhand", "migrations", "worker")


def main() -> None:
    """The console script."""
    code = run(sys.argv[1:])
    gc.freeze()  # to look for garbage in all that was imported took a quarter of the time of a short command
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. Errors that the user can correct become lines on stderr."""
    speak(language_of(os.environ))
    never_fail_to_print()
    try:
        code = make_command()(list(arguments), prog_name="longhand", standalone_mode=False)
        sys.stdout.flush()
    except SettingsError as error:
        return _complain(str(error), 2)
    except LonghandError as error:
        return _complain(explained(error), error.exit_code)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OURS:
            raise
        return _complain(t("command.needs_server", missing=missing), 1)
    except BrokenPipeError:
        # The reader of our output has seen enough (`longhand jobs | head`). The interpreter must not flush it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        # Typer's usage errors: the class has moved between its versions, the method has not.
        if hasattr(error, "format_message"):
            return _complain_of_usage(error)
        if has_asked() and isinstance(error, WRONG_FORM):
            return _complain(str(StrangeAnswerError(_place_of(error))), 1)
        raise
    return code if isinstance(code, int) else 0


def make_command() -> Any:
    """All commands with their help, as the parser has them."""
    if spoken() != "en":
        translate_typer()
    made = get_command(make_app())
    add_help(made)
    return made


def make_app() -> typer.Typer:
    app = typer.Typer(
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
    )
    app.callback()(_options)
    for command in (
        stack_commands.up,
        stack_commands.demo,
        submit_command.submit,
        watch_commands.watch,
        list_commands.jobs,
        list_commands.batches,
        list_commands.show,
        status_command.status,
        watch_commands.text,
        result_commands.results,
        watch_commands.open_page,
        job_commands.cancel,
        job_commands.retry,
        job_commands.delete,
        hold_commands.pause,
        hold_commands.resume,
        simulate_command.simulate,
        stack_commands.migrate,
        stack_commands.api,
        stack_commands.worker,
        local_commands.logs,
        local_commands.settings,
    ):
        app.command(_NAMES.get(command.__name__, command.__name__))(command)
    app.add_typer(key_commands.make_keys_app(), name="keys")
    app.add_typer(project_commands.make_projects_app(), name="projects")
    app.add_typer(upstream_commands.make_upstreams_app(), name="upstreams")
    app.add_typer(webhook_commands.make_webhooks_app(), name="webhooks")
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        print_line(f"longhand {read_version()}")
        raise typer.Exit


def _options(
    show_version: Annotated[bool, typer.Option("--version", is_eager=True, callback=_show_version)] = False,
    server: Annotated[str | None, typer.Option(metavar="URL")] = None,
    api_key: Annotated[str | None, typer.Option(metavar="KEY")] = None,
) -> None:
    """The options of `longhand` itself, which stand before the command."""
    use_server(server, api_key)


def _complain_of_usage(error: Any) -> int:
    """Say what is wrong with the arguments."""
    if not error.format_message():  # the help has been shown instead
        return 2
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "longhand"
    if (option := getattr(error, "option_name", None)) in ("--server", "--api-key"):
        return _complain(t("command.stands_before", option=option, name=path.removeprefix("longhand ")), 2)
    message = error.format_message().replace("Value error, ", "")  # pydantic's prefix, which adds nothing
    return _complain(t("command.see_help", message=translated(message), path=path), 2)


def _place_of(error: Exception) -> str:
    """What was found in an answer, and which line of Longhand did not expect it: for whoever reports it."""
    ours = [frame for frame in extract_tb(error.__traceback__) if "longhand" in Path(frame.filename).parts]
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "command.py"
    return f"{type(error).__name__} {str(error)[:80]!r}, {where}"


def _complain(message: str, code: int) -> int:
    for line in message.splitlines():
        print_line(f"longhand: {translated(line)}", err=True)
    return code

"""What others wrote reaches a terminal as text: no command writes an escape, a title or a turned line that came so."""

import os
import pty
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from rich.text import Text

import longhand
from api.server import ApiServer
from jobs.intake.submission import BatchOptions, NewJob, submit_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs
from longhand.terminal.output import open_console, print_line
from tests.api.watching import Writer
from tests.stack import warm_command
from tests.stack.running_up import PATIENCE_SECONDS, environ_of

EVIL = "\x1b]0;owned\x07\x1b[2Jid\u202etxt\x9b31m\u2066\r\nforged"
_OWN = re.compile(r"\x1b\[([0-9;]*m|\?25[lh]|[0-9]*[AK]|[12]?[KJ])")
"""What Rich writes: colours, the cursor hidden and shown, a line up and erased."""


@pytest.fixture
def batch_id(sqlite_database: Database, valkey_client: redis.Redis) -> str:
    """A batch that has evil in every name, one job completed and one failed."""
    request = {"model": "m" + EVIL, "messages": [{"role": "user", "content": "write" + EVIL}]}
    new_jobs = [NewJob(request=request, custom_id=f"{number}{EVIL}", metadata={"k": EVIL}) for number in range(2)]
    accepted = submit_batch(sqlite_database, new_jobs, BatchOptions(metadata={"name": EVIL}))
    found, _ = list_jobs(sqlite_database, JobFilter(), project=None, after=None, limit=9, newest_first=False)
    for number, job in enumerate(found):
        writer = Writer(sqlite_database, valkey_client, job.id)
        writer.write("text" + EVIL)
        writer.finish() if number == 0 else writer.fail()
    close_batch(sqlite_database, accepted.id)
    return accepted.id


def test_no_command_lets_an_escape_through_to_the_terminal(
    sqlite_api: ApiServer, sqlite_database: Database, batch_id: str, tmp_path: Path
) -> None:
    found, _ = list_jobs(sqlite_database, JobFilter(), project=None, after=None, limit=9)
    commands = [["jobs"], ["show", batch_id], ["watch", batch_id], ["watch", batch_id, "--text"]]
    commands += [[verb, job.id] for job in found for verb in ("show", "watch")]
    commands += [["results", batch_id, "-o", str(tmp_path)], ["retry", "job_" + EVIL], ["jobs", "--batch", EVIL]]
    for command in commands:
        shown = on_terminal(command, f"http://127.0.0.1:{sqlite_api.port}")
        assert shown, command
        left = _OWN.sub("", shown)
        assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", left), (command, left)
    assert "]0;owned" in on_terminal(["show", found[0].id], f"http://127.0.0.1:{sqlite_api.port}")


def test_a_line_break_in_a_name_begins_no_line_of_the_table(sqlite_api: ApiServer, batch_id: str) -> None:
    shown = on_terminal(["jobs"], f"http://127.0.0.1:{sqlite_api.port}")
    assert len(shown.splitlines()) == 3
    assert batch_id


def on_terminal(command: list[str], url: str) -> str:
    """All that a command writes to a terminal of 200 columns."""
    ours, theirs = pty.openpty()
    environment = {**environ_of(Path.home(), {"LONGHAND_URL": url}), "COLUMNS": "200", "LINES": "50"}
    environment["TERM"] = "xterm-256color"
    with ThreadPoolExecutor(1) as reader:
        shown = reader.submit(_read_all, ours)
        try:
            warm_command.run_on(command, environment, [theirs] * 3, PATIENCE_SECONDS)
        finally:
            os.close(theirs)
        return shown.result()


def _read_all(terminal: int) -> str:
    shown = bytearray()
    with suppress(OSError):  # the terminal's other end is closed
        while part := os.read(terminal, 65536):
            shown += part
    os.close(terminal)
    return shown.decode()


def test_one_cleaner_stands_before_every_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(EVIL)
    print_line(EVIL, err=True)
    open_console(force_terminal=True, color_system=None).print(Text(EVIL))
    written = capsys.readouterr()
    for text in (written.out, written.err):
        assert "forged" in text
        assert not re.search("[\x1b\x07\x9b\u202e\u2066\r]", text)


def test_nothing_of_the_command_writes_past_the_cleaner() -> None:
    ways = re.compile(r"typer\.echo\(|(?<![.\w])print\(|(?<![.\w])Console\(|std(?:out|err)\.(?:buffer\.)?write\(")
    folder = Path(longhand.__file__).parent
    found = [
        f"{path.relative_to(folder)}: {match[0]}"
        for room in ("cli", "terminal", "demo")
        for path in sorted((folder / room).glob("*.py"))
        if path.name != "output.py"
        for match in ways.finditer(path.read_text())
    ]
    assert found == []

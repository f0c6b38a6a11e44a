"""`longhand watch`: what a terminal shows, what a file gets, and what Ctrl-C does not stop."""

import re
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import redis
from rich.cells import cell_len
from rich.console import Console

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.queries import read_job
from longhand import Client, Delta, Done, Progress, Reset, Status
from longhand.terminal import progress
from longhand.terminal.batch_state import BatchState
from longhand.terminal.lines import Lines
from tests.api.watching import Writer, submit
from tests.client.shown import Played, batch, drawn, job
from tests.stack.running_up import environ_of

ESCAPES = "\x1b]0;a title\x07 and \x1b[2J"


class Terminal(StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def played(sqlite_database: Database, valkey_client: redis.Redis) -> Played:
    return Played(sqlite_database, valkey_client)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_of_the_panel_is_wider_than_the_terminal_and_none_is_too_many(width: int) -> None:
    state = BatchState(batch(50, completed=7, failed=2, in_progress=30))
    for number in range(30):
        state.take(Status(job(number, "茶的历史与文化传播研究报告" if number % 2 else None)))
        state.take(Delta(f"job_{number}", 1, 0, f"日常工作更多地取决于持久的结构。\n{ESCAPES}" * 20 + f"end {number}"))
    lines = drawn(state, width, 20)
    assert len(lines) < 20
    assert all(cell_len(line) <= width for line in lines)
    assert "\x1b" not in "".join(lines)
    assert lines[0].endswith("end 0")
    assert lines[1].startswith("茶的历史与文化传…")
    assert lines[-3] == "... and 14 more are being written"
    assert lines[-2].endswith(" 9/50 ended")
    assert lines[-1].startswith("in_progress  7 completed")
    assert ("1,234 tokens" in lines[-1]) is (width > 60)


def test_the_bar_differs_by_form_and_is_full_only_at_the_end() -> None:
    def bar(**counts: int) -> str:
        shown = batch(1000)
        shown["request_counts"].update(counts)
        return drawn(BatchState(shown), 80, 20)[0].partition(" ")[0]

    width = len(bar())
    assert bar() == "·" * width
    assert bar(completed=1) == "━" + "·" * (width - 1)
    assert bar(completed=999) == "━" * (width - 1) + "·"
    assert bar(completed=1000) == "━" * width
    assert re.fullmatch("━+╳+╌+·+", bar(completed=300, failed=300, in_progress=300))


def test_a_reset_and_an_end_are_seen_in_the_panel() -> None:
    state = BatchState(batch(2, in_progress=1))
    state.take(Status(job(0, "bees")))
    state.take(Delta("job_0", 1, 0, "void"))
    state.take(Reset("job_0", 2))
    state.take(Delta("job_0", 2, 0, "anew"))
    assert re.match(r"bees +4 \(attempt 2\) anew", drawn(state, 80, 20)[0])
    error = {"code": "upstream_cut", "message": "a\n b"}
    failure = state.take(Done(job(0, "bees", status="failed", error=error)))
    assert failure is not None
    assert (failure.name, failure.status, failure.why) == (
        "bees",
        "failed",
        "upstream_cut: the upstream's answer broke off",
    )
    assert not any("bees" in line for line in drawn(state, 80, 20))


def test_a_rate_and_a_time_left_are_told_once_a_job_has_ended_under_our_eyes() -> None:
    state = BatchState(batch(10, completed=5))
    state.take(Progress("in_progress", batch(10, completed=5)["request_counts"], None))
    assert (state.jobs_per_second, state.seconds_left) == (None, None)
    state.take(Progress("in_progress", batch(10, completed=6)["request_counts"], None))
    assert state.jobs_per_second is not None
    assert state.seconds_left is not None
    assert (state.ended, state.output_tokens) == (6, None)


def test_texts_of_many_jobs_come_as_whole_lines_under_their_names() -> None:
    out = StringIO()
    lines = Lines(out)
    for event in (
        Delta("job_0", 1, 0, "Honey\n"),
        Status(job(0, "bees")),
        Status(job(1, None)),
        Delta("job_0", 1, 0, "Bees "),
        Delta("job_1", 1, 0, "One\nTw"),
        Delta("job_0", 1, 5, "fly.\n\n"),
        Reset("job_1", 2),
        Delta("job_1", 2, 0, "x" * 2001),
        Delta("job_1", 2, 2001, "end"),
        Done(job(1, None, status="completed")),
        Done(job(0, "bees", status="completed")),
    ):
        lines.take(event)
    assert out.getvalue().splitlines() == [
        "bees | Honey",
        "#2 | One",
        "bees | Bees fly.",
        "bees | ",
        "#2 | Tw",
        "#2 | --- the text starts over (attempt 2) ---",
        f"#2 | {'x' * 2001}",
        "#2 | end",
    ]


def test_a_batch_that_is_watched_into_files_is_lines(sqlite_api: ApiServer, played: Played) -> None:
    said, out = StringIO(), StringIO()
    assert played.watch(sqlite_api.port, Console(file=said), out, with_texts=True) is False
    last = said.getvalue().splitlines()
    assert "#2: failed, upstream_error: played" in last
    assert last[-2] == f"run them again with: longhand retry {played.batch_id}"
    assert last[-1] == "completed: 3/3 ended, 2 completed, 1 failed"
    assert sorted(out.getvalue().splitlines()) == sorted(
        line for number in (1, 2, 3) for line in (f"#{number} | One", f"#{number} | Two and the rest")
    )


def test_a_batch_on_a_terminal_ends_with_its_bar_and_numbers(sqlite_api: ApiServer, played: Played) -> None:
    said, out = StringIO(), Terminal()
    console = Console(file=said, force_terminal=True, width=80, height=20, color_system=None)
    assert played.watch(sqlite_api.port, console, out, with_texts=True) is False
    last = said.getvalue().rstrip("\x1b[?25h\r\n").splitlines()
    assert "#2: failed, upstream_error: played" in said.getvalue()
    assert last[-2].endswith(" 3/3 ended")
    assert "completed  2 completed  1 failed" in last[-1]
    assert out.getvalue() == ""


def test_a_job_on_a_terminal_cannot_move_its_cursor(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write(ESCAPES, "\n蜂", " fly")
    writer.finish()
    for out, shown in ((Terminal(), "]0;a title and [2J\n蜂 fly\n"), (StringIO(), ESCAPES + "\n蜂 fly")):
        with Client(f"http://127.0.0.1:{sqlite_api.port}") as client:
            assert progress.watch_job(client, job_id, out)
        assert out.getvalue() == shown
    assert capsys.readouterr().err == "completed\n" * 2


def test_a_text_that_was_not_accepted_was_not_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = {"code": "not_accepted", "message": "The text was not accepted: min_words: asked for 300, found 206 words"}
    waiting = job(0, "bees", status="queued", attempt=1, error=error, usage=None)
    with Client("http://127.0.0.1:1") as client:
        monkeypatch.setattr(client, "watch", lambda _: iter([Status(waiting), Done(waiting)]))
        progress.watch_job(client, "job_0", StringIO())
    said = "the text of attempt 1 was not accepted (min_words: asked for 300, found 206 words); it is written again"
    assert said in capsys.readouterr().err


def test_ctrl_c_stops_watching_and_not_the_job(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, tmp_path: Path
) -> None:
    job_id = submit(sqlite_database)
    writer = Writer(sqlite_database, valkey_client, job_id)
    writer.write("The pencil\n")
    environ = environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{sqlite_api.port}"})
    command = [sys.executable, "-P", "-m", "longhand", "watch", job_id]
    watching = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "The pencil\n"
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=60)
    finally:
        watching.kill()
        watching.communicate()
    assert (watching.returncode, said.strip()) == (
        130,
        f"stopped watching; the work continues: longhand watch {job_id}",
    )
    found = read_job(sqlite_database, job_id, project=None)
    assert found is not None
    assert (found.status, found.cancel_requested_at) == ("in_progress", None)

"""`longhand watch` and `longhand retry`: what a terminal shows, what a file gets, and what Ctrl-C does not stop."""

import json
import re
import signal
import subprocess
import sys
import threading
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from rich.cells import cell_len
from rich.console import Console

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.queries import read_job
from longhand import Client, Delta, Done, Progress, Reset, Status
from longhand.client.calls import retry
from longhand.client.errors import InputError
from longhand.terminal import progress
from longhand.terminal.batch_state import BatchState
from longhand.terminal.batch_view import BatchView
from longhand.terminal.lines import Lines
from longhand.terminal.lists import jobs_table
from longhand.terminal.tables import job_summary
from longhand.words.catalogue import speaking
from tests.api.batch_watching import submit_jobs
from tests.api.watching import Writer, submit
from tests.client.sent import JOB
from tests.stack.running_up import environ_of, longhand

ESCAPES = "\x1b]0;a title\x07 and \x1b[2J"


class Terminal(StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def batch(total: int, completed: int = 0, failed: int = 0, in_progress: int = 0, status: str = "in_progress") -> Any:
    counts = {"total": total, "completed": completed, "failed": failed, "in_progress": in_progress}
    return {"id": "batch_1", "status": status, "request_counts": counts, "usage": {"output_tokens": 1234}}


def job(number: int, name: str | None, **fields: Any) -> Any:
    return {**JOB, "id": f"job_{number}", "custom_id": name, "index": number, "batch_id": "batch_1", **fields}


def drawn(state: BatchState, width: int, height: int) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(BatchView(state, with_texts=True))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


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


class Played:
    """A batch of three, written while it is watched."""

    def __init__(self, database: Database, client: redis.Redis) -> None:
        self.batch_id, ids = submit_jobs(database, 3)
        self._writers = [Writer(database, client, job_id) for job_id in ids]

    def play(self) -> None:
        """Write all three; the second one fails."""
        for writer in self._writers:
            writer.write("One\n", "Two", " and the rest")
        self._writers[0].finish()
        self._writers[1].fail()
        self._writers[2].finish()

    def watch(self, port: int, console: Console, out: Any, *, with_texts: bool) -> bool:
        """Watch it while it is played."""
        playing = threading.Thread(target=self.play)
        with Client(f"http://127.0.0.1:{port}") as client:
            playing.start()
            try:
                return progress.watch_batch(client, self.batch_id, console, out, with_texts=with_texts)
            finally:
                playing.join()


@pytest.fixture
def played(sqlite_database: Database, valkey_client: redis.Redis) -> Played:
    return Played(sqlite_database, valkey_client)


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


def test_a_cancelled_batch_is_run_again_with_the_command_that_is_shown(
    sqlite_api: ApiServer, sqlite_database: Database, tmp_path: Path
) -> None:
    batch_id, _ = submit_jobs(sqlite_database, 2)
    environ = environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{sqlite_api.port}"})
    assert longhand("cancel", batch_id, environ=environ).returncode == 0
    again = f"longhand retry {batch_id} --which cancelled"
    watched = longhand("watch", batch_id, environ=environ)
    assert f"run them again with: {again}\n" in watched.stderr
    assert "#1: cancelled\n" in watched.stderr
    shown = longhand("show", batch_id, environ=environ)
    why = f"longhand jobs --batch {batch_id} --status cancelled"
    assert shown.stderr == f"2 jobs did not complete; why: {why}; run them again with: {again}\n"
    refused = longhand("retry", batch_id, environ=environ)
    assert refused.stderr.startswith(
        f"longhand: {batch_id}: no job is failed or expired, so there is nothing to run again; but 2 are cancelled:"
        f" run them again with: {again}\n"
    )
    chinese = longhand("retry", batch_id, environ={**environ, "LONGHAND_LANG": "zh"})
    assert (
        f"没有状态为“失败”或“已过期”的任务，所以没有可以重新运行的；但有 2 个“已取消”的：要重新运行它们，请用 {again}"
        in chinese.stderr
    )
    assert longhand(*again.split()[1:], environ=environ).returncode == 0


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


def test_the_failures_of_a_batch_are_queued_again_and_a_second_time_there_are_none(
    sqlite_api: ApiServer, sqlite_database: Database, played: Played, tmp_path: Path
) -> None:
    played.play()
    environ = environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{sqlite_api.port}"})
    ran = longhand("retry", played.batch_id, environ=environ)
    assert (ran.returncode, ran.stdout) == (0, "")
    said = "1 of 3 jobs are to be written now, the others stay as they are; follow with: longhand watch"
    assert ran.stderr == f"{played.batch_id}: {said} {played.batch_id}\n"
    with Client(f"http://127.0.0.1:{sqlite_api.port}") as client:
        assert [job["status"] for job in client.jobs(batch_id=played.batch_id)] == ["completed", "queued", "completed"]
    again = longhand("retry", played.batch_id, environ=environ)
    assert again.returncode == 1
    assert again.stderr.startswith("longhand: no job of the batch is expired or failed: there is nothing to run again")


KNOWN = {"model": "m", "usage": None, "attempt": 1, "created_at": 1.0, "error": None}
CUT = {**KNOWN, "status": "completed", "finish_reason": "length", "incomplete": {"reason": "max_output_tokens"}}


def shown_by(view: Any) -> str:
    console = Console(file=StringIO(), width=200, color_system=None)
    console.print(view)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_text_that_was_cut_short_says_so_in_lists_and_alone() -> None:
    cut = job(0, "bees", **CUT)
    listed = shown_by(jobs_table([cut, job(1, "ants", **KNOWN, status="completed")], wide=False)).splitlines()
    assert "completed, cut short" in listed[1]
    assert "cut short" not in listed[2]
    assert re.search(r"incomplete +cut short at the token limit", shown_by(job_summary(cut)))
    kept = job(0, "bees", **{**KNOWN, "attempt": 3}, status="failed", text_attempt=1)
    assert re.search(r"text of +attempt 1, which wrote the most", shown_by(job_summary(kept)))
    state = BatchState(batch(3, completed=2))
    state.batch["request_counts"]["incomplete"] = 1
    assert "1 cut short" in drawn(state, 80, 20)[-1]


@pytest.mark.parametrize(("width", "counts"), [(80, False), (160, True)])
def test_a_list_says_why_jobs_failed(width: int, counts: bool) -> None:
    why = {"code": "upstream_rejected", "message": "the model\nis not known"}
    failed = job(0, "a long name of bees", **{**KNOWN, "error": why}, status="failed")
    again = job(1, "ants", **{**KNOWN, "error": {"code": "stall", "message": "it paused"}}, status="queued")
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(jobs_table([failed, again], wide=counts))
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    column = shown.index("because")
    told = "".join(line[column:].rstrip() or " " for line in shown.splitlines()[1:])
    assert told.replace(" ", "") == "upstream_rejected:themodelisnotknown"
    assert "stall" not in shown
    assert ("seconds" in shown.splitlines()[0]) is counts
    assert "because" not in shown_by(jobs_table([again], wide=False))


def test_a_tool_call_is_shown_with_its_name_and_its_arguments_and_moves_no_cursor() -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "\x1b[2JOslo"}'},
    }
    custom = {"id": "call_2", "type": "custom", "custom": {"name": "run", "input": "ls"}}
    called = job(0, "bees", **{**KNOWN, "finish_reason": "tool_calls", "message": {"tool_calls": [call, custom]}})
    assert re.search(
        r"row +topic=\[2Jtea, words=9",
        shown_by(job_summary({**called, "cells": {"topic": "\x1b[2Jtea", "words": "9"}})),
    )
    shown = shown_by(job_summary(called))
    assert re.search(r'tool calls +get_weather\({"city": "\[2JOslo"}\)\n +run\(ls\)', shown)
    assert "tool calls" not in shown_by(job_summary(job(0, "bees", **KNOWN)))


@pytest.mark.parametrize(
    ("resource_id", "which"), [("job_1", ["failed"]), ("batch_1", None), ("batch_1", ["incomplete"])]
)
def test_which_jobs_run_again_is_said_of_a_batch_alone(resource_id: str, which: list[str] | None) -> None:
    if resource_id == "job_1":
        with pytest.raises(InputError, match="among the jobs of a batch"):
            retry(resource_id, which)
        return
    content = retry(resource_id, which).content
    assert content == (None if which is None else json.dumps({"which": which}).encode())


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


def test_a_lost_attempt_is_not_said_to_have_died_each_time_and_any_other_says_why_it_ended() -> None:
    lost = {
        "attempt": 1,
        "worker": "w1",
        "started_at": 1.0,
        "outcome": "lost",
        "error": {"code": "worker_lost", "message": None},
    }
    cut = {**lost, "attempt": 2, "outcome": "failed", "error": {"code": "upstream_cut", "message": "it broke off"}}
    with speaking("zh"):
        shown = shown_by(job_summary(job(0, "bees", **KNOWN, attempts=[lost, cut])))
    assert "连续三次" not in shown
    assert re.search(r"2 +失败.+w1 upstream_cut：回答中断", shown), shown

"""What a terminal says of work that waits: one sentence, with what to do."""

import time
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from longhand import BatchStatus, Client, Done, OnHold, Status
from longhand.terminal import progress
from longhand.terminal.batch_state import BatchState
from longhand.terminal.batch_view import BatchView
from longhand.terminal.upstream_tables import notes
from longhand.terminal.waiting_words import hold_sentence, waiting_notes, waits_sentence
from longhand.words.catalogue import t
from tests.client.sent import JOB


def hold(**fields: Any) -> Any:
    return {
        "kind": "upstream",
        "target": "main",
        "reason": "credit",
        "since": time.time(),
        "message": "You exceeded your quota.",
        "held_by": "system",
        "probe_at": time.time() + 5,
        "upstream": "main",
        "url": "http://127.0.0.1:9000/v1",
        "may_resume": True,
        **fields,
    }


def batch(**fields: Any) -> Any:
    counts = {"total": 9, "completed": 2, "failed": 0, "in_progress": 0}
    return {"id": "batch_1", "status": "in_progress", "request_counts": counts, "usage": None, **fields}


@pytest.mark.parametrize(
    ("reason", "is_so", "to_do"),
    [
        ("credit", "the upstream main is out of credit since ", "; pay, then run: longhand resume --upstream main"),
        ("key", "the upstream main refuses its API key since ", "; check the key, then run: longhand resume"),
        (
            "limit",
            "the upstream main has refused every request for minutes since ",
            "; check its plan, quota and limits",
        ),
        (
            "url",
            "the upstream main does not answer as an OpenAI-compatible API does since ",
            "; check its url, http://127.0.0.1:9000/v1, then run: longhand resume --upstream main",
        ),
        (
            "away",
            "the upstream main fails or cannot be reached since ",
            "; check that the server at http://127.0.0.1:9000/v1 runs",
        ),
    ],
)
def test_a_hold_of_the_system_says_what_to_do(reason: str, is_so: str, to_do: str) -> None:
    said = hold_sentence(hold(reason=reason))
    assert said.startswith(is_so)
    assert to_do in said
    assert "it is tried by itself at " in said
    assert "You exceeded" not in said
    assert "longhand resume" not in hold_sentence(hold(reason=reason, may_resume=False))


def test_a_message_cannot_command_the_terminal() -> None:
    said = hold_sentence(hold(reason="paused", held_by="person", probe_at=None, message="\x1b[2J now"))
    assert "now)" in said
    assert "\x1b" not in said


def test_jobs_that_wait_for_the_same_are_one_line() -> None:
    retry = {"limited_by": "retry", "limited_by_message": "it waits for its next attempt"}
    listed: list[Any] = [
        {**JOB, "status": "completed"},
        *({**JOB, "limited_by": "hold", "hold": hold(since=1.0, probe_at=None)} for _ in range(3)),
        *({**JOB, **retry, "limited_until": time.time() + 60 + number} for number in range(2)),
    ]
    held, waits = waiting_notes(listed)
    assert held.startswith("3 queued jobs wait: the upstream main is out of credit since 1970-01-01")
    assert waits.startswith("2 queued jobs wait: it waits for its next attempt, until ")
    assert waits_sentence({**JOB, "limited_by": None, "limited_by_message": None, "limited_until": None}) == ""


@pytest.mark.parametrize("width", [40, 120])
def test_the_panel_of_a_held_batch_says_so_and_stays_within_the_terminal(width: int) -> None:
    state = BatchState(batch())
    state.take(BatchStatus(batch(hold=hold())))
    console = Console(file=StringIO(), width=width, height=20, force_terminal=True, color_system=None)
    console.print(BatchView(state, with_texts=True))
    assert isinstance(console.file, StringIO)
    lines = console.file.getvalue().splitlines()
    assert "out of credit" in " ".join(lines)
    assert all(cell_len(line) <= width for line in lines)
    assert len(lines) < 20


def test_a_log_says_once_that_a_batch_is_held_and_once_that_it_goes_on() -> None:
    state = BatchState(batch(hold=hold()))
    console = Console(file=StringIO(), width=400)
    show = progress._CountLines(console, state)
    show()
    state.take(BatchStatus(batch(hold=hold(probe_at=time.time() + 60))))
    show()
    state.take(BatchStatus(batch()))
    show()
    assert isinstance(console.file, StringIO)
    said = console.file.getvalue()
    assert (said.count("out of credit"), said.count("no longer held")) == (1, 1)


def test_a_list_of_upstreams_explains_holds_and_limits() -> None:
    upstream_hold = {name: hold()[name] for name in ("reason", "since", "message", "held_by", "probe_at")}
    lane = {"limited_by": "requests"}
    upstream = {"name": "main", "url": "http://x/v1", "hold": upstream_hold, "last_error": None, "in_use": [lane, lane]}
    said = list(notes({"data": [upstream], "file_mistakes": []}))
    assert len(said) == 2
    assert said[0].startswith("the upstream main is out of credit since ")
    assert said[0].endswith("; it said: You exceeded your quota.")
    assert said[1] == f"limited by requests: {t('lane.requests')}"


def test_the_watch_of_a_job_says_a_hold_once_until_it_is_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: Any = {**JOB, "status": "queued", "attempt": 0}
    completed: Any = {**JOB, "status": "completed", "usage": None, "incomplete": None}
    again = hold(since=1.0, probe_at=time.time() + 300)
    events = [
        Status(queued),
        OnHold("job_1", hold(since=1.0)),
        OnHold("job_1", again),
        OnHold("job_1", None),
        Done(completed),
    ]
    client = Client("http://127.0.0.1:9")
    monkeypatch.setattr(client, "watch", lambda _: iter(events))
    assert progress.watch_job(client, "job_1", StringIO())
    first, held, lifted, last = capsys.readouterr().err.splitlines()
    assert (first, lifted, last) == ("queued", "no longer held", "completed")
    assert held.startswith("on hold: the upstream main is out of credit since 1970-01-01")


def test_a_time_that_has_passed_is_not_shown() -> None:
    for seconds, said in ((60, "it is tried by itself at "), (-1, "it is tried again by itself; ")):
        sentence = hold_sentence(hold(probe_at=time.time() + seconds))
        assert said in sentence
    waits = {**JOB, "limited_by": "retry", "limited_by_message": "attempt 1 failed", "limited_until": time.time() - 1}
    assert waits_sentence(waits) == "attempt 1 failed"

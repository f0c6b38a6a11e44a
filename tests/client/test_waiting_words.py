"""What a terminal says of work that waits: one sentence, with what to do."""

import time
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from longhand import BatchStatus, Client, Delta, Done, OnHold, Status
from longhand.terminal import progress
from longhand.terminal.batch_state import BatchState
from longhand.terminal.batch_view import BatchView
from longhand.terminal.upstream_tables import notes
from longhand.terminal.waiting_words import hold_sentence, waiting_notes, waits_sentence
from longhand.words.catalogue import speaking, t
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
        (
            "credit",
            "the upstream main is out of credit, so no new job starts (since ",
            "; add credit; it is tried again by itself at ",
        ),
        (
            "key",
            "the upstream main refuses its API key, so no new job starts (since ",
            "; check the key; it is tried again by itself at ",
        ),
        (
            "limit",
            "the upstream main refuses every request, so no new job starts (since ",
            "; check its plan, its quota and its limits",
        ),
        (
            "url",
            "the upstream main does not answer as an OpenAI-compatible API does, so no new job starts (since ",
            "; check its url, http://127.0.0.1:9000/v1, which may lack a path such as /v1; it is tried again",
        ),
        (
            "away",
            "the upstream main fails or cannot be reached, so no new job starts (since ",
            "; check that the server at http://127.0.0.1:9000/v1 runs",
        ),
    ],
)
def test_a_hold_of_the_system_says_what_to_do(reason: str, is_so: str, to_do: str) -> None:
    said = hold_sentence(hold(reason=reason))
    assert said.startswith(is_so)
    assert to_do in said
    assert said.endswith(", or now with: longhand resume --upstream main")
    assert "You exceeded" not in said
    for_others = hold_sentence(hold(reason=reason, may_resume=False))
    assert "longhand resume" not in for_others
    assert "; it is tried again by itself at " in for_others
    assert for_others.endswith("; ask an operator to look into it")


def test_a_hold_says_in_chinese_that_it_is_tried_again_by_itself() -> None:
    with speaking("zh"):
        said = hold_sentence(hold(reason="key", probe_at=1.0))
    assert said.endswith("；请检查密钥；随时会自动重试，想立即重试请运行：longhand resume --upstream main")


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
    assert held.startswith(
        "3 queued jobs wait: the upstream main is out of credit, so no new job starts (since 1970-01-01"
    )
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
    assert (said.count("out of credit"), said.count("no longer on hold")) == (1, 1)


def test_a_list_of_upstreams_explains_holds_and_limits() -> None:
    upstream_hold = {name: hold()[name] for name in ("reason", "since", "message", "held_by", "probe_at")}
    lane = {"limited_by": "requests"}
    upstream = {"name": "main", "url": "http://x/v1", "hold": upstream_hold, "last_error": None, "in_use": [lane, lane]}
    said = list(notes({"data": [upstream], "file_mistakes": []}))
    assert len(said) == 2
    assert said[0].startswith("the upstream main is out of credit, so no new job starts (since ")
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
    assert (first, lifted, last) == ("queued", "no longer on hold", "completed")
    assert held.startswith("on hold: the upstream main is out of credit, so no new job starts (since 1970-01-01")


def probing(text: str | None) -> list[Any]:
    """A held job that is sent to see whether all is well again, and what it then writes."""
    queued: Any = {**JOB, "status": "queued", "error": None}
    running: Any = {**JOB, "status": "in_progress"}
    began = [Status(queued), OnHold("job_1", hold(since=1.0)), Status(running), OnHold("job_1", None)]
    if text is None:
        return [*began, Status(queued), OnHold("job_1", hold(since=1.0))]
    return [*began, Delta("job_1", 1, 0, text)]


def said_of(events: list[Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    client = Client("http://127.0.0.1:9")
    completed: Any = {**JOB, "status": "completed", "usage": None, "incomplete": None}
    monkeypatch.setattr(client, "watch", lambda _: iter([*events, Done(completed)]))
    progress.watch_job(client, "job_1", StringIO())
    return [line.partition(" (")[0].partition(":")[0] for line in capsys.readouterr().err.splitlines()]


def test_a_hold_is_called_lifted_once_the_job_that_tries_it_writes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ["attempt 1 broke off; queued again", "on hold", "trying it again with this job"]
    assert said_of(probing("Tea"), capsys, monkeypatch) == [*first, "no longer on hold", "completed"]


def test_a_hold_that_a_job_has_tried_in_vain_is_not_said_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    again = "attempt 1 broke off; queued again"
    said = said_of([*probing(None), *probing("Tea")[2:]], capsys, monkeypatch)
    tried = "trying it again with this job"
    assert said == [again, "on hold", tried, again, tried, "no longer on hold", "completed"]


def test_a_time_that_has_passed_is_not_shown() -> None:
    for seconds, said in (
        (60, "it is tried again by itself at "),
        (-1, "it is tried again by itself at any moment, or now"),
    ):
        sentence = hold_sentence(hold(probe_at=time.time() + seconds))
        assert said in sentence
    waits = {**JOB, "limited_by": "retry", "limited_by_message": "attempt 1 failed", "limited_until": time.time() - 1}
    assert waits_sentence(waits) == "attempt 1 failed"

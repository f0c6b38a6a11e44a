"""Streams whose events are large: made in a thread, in pieces, and no more of them held than the budget allows."""

import asyncio
import json
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from typing import Any

import httpx
import pytest

from api.access.large_answers import PIECE
from api.http.json_lines import ascii_json
from api.openai.response_numbers import TEXT as AT_TEXT
from api.openai.response_reasoning import ReasoningItem
from api.server import ApiServer
from jobs.intake.submission import NewJob, submit_job
from jobs.lifecycle.transitions import finish
from jobs.live.follower import Reasoning
from jobs.store.database import Database
from jobs.strict_json import dump_json
from tests.api.completing import Asking, only_job
from tests.api.responding import events_of
from tests.api.watching import REQUEST, wait_until
from tests.attacks.test_large_answers import (
    TEXT,
    ask_and_read_nothing,
    budget_of,
    get,
    keys,
    server,
)
from tests.store.reserving import claim_now
from tests.store.store_fixtures import written

__all__ = ["keys", "server"]

LONG = TEXT[: 1 << 20]


def respond(database: Database, text: str, *, instructions: str = "", **ended: Any) -> str:
    """A Response that has ended with this text; its id."""
    asked = {"model": "played", "background": True, "instructions": instructions}
    job_id = submit_job(database, NewJob(REQUEST), response=asked).id
    claim_now(database, job_id, "w", 60)
    assert finish(database, job_id, 1, replace(written(text), **ended))
    return f"resp_{job_id.removeprefix('job_')}"


@pytest.fixture
def longest_on_loop(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many characters of JSON were written out at once on an event loop."""
    lengths, dumps = [0], json.dumps

    def measured(*arguments: Any, **named: Any) -> str:
        made = dumps(*arguments, **named)
        if asyncio._get_running_loop() is not None:
            lengths.append(len(made))
        return made

    monkeypatch.setattr(json, "dumps", measured)
    return lengths


def test_the_end_of_a_stream_that_nobody_reads_is_counted_and_the_next_one_is_told_where_to_come_back(
    server: ApiServer, sqlite_database: Database, keys: tuple[str, str]
) -> None:
    """Twelve such readers held 1.6 GB."""
    slow, other = keys
    budget = budget_of(server)
    response_id = respond(sqlite_database, TEXT)
    number = AT_TEXT + len(TEXT)  # only the end is missing
    path = f"/v1/responses/{response_id}?stream=true&starting_after={number}"
    with ExitStack() as lines:
        lines.enter_context(ask_and_read_nothing(server, path, slow))
        wait_until(lambda: budget.held > len(TEXT) // 2)
        budget.most = 3 * budget.held  # so it has all that one key may have
        [refused] = events_of(get(server, path, slow).text)
        assert refused["error"]["code"] == "too_many_large_answers"
        budget.most = 6 * budget.held
        whole = events_of(get(server, path, other).text)
        assert whole[-1]["response"]["output"][0]["content"][0]["text"] == TEXT
        assert budget.held > 0  # the slow one still has its own
    wait_until(lambda: budget.held == 0)
    assert events_of(get(server, path, slow).text) == whole


def test_long_reasoning_that_a_stream_keeps_until_the_text_begins_is_counted(
    server: ApiServer, sqlite_database: Database, keys: tuple[str, str]
) -> None:
    proof: dict[str, Any] = {"reasoning_bytes": len(TEXT), "reasoning_sha256": sha256(TEXT.encode()).hexdigest()}
    response_id = respond(sqlite_database, "short", reasoning=TEXT, **proof)
    with ask_and_read_nothing(server, f"/v1/responses/{response_id}?stream=true", keys[0]):
        wait_until(lambda: budget_of(server).held > PIECE)
    wait_until(lambda: budget_of(server).held == 0)
    whole = events_of(get(server, f"/v1/responses/{response_id}?stream=true", keys[0]).text)
    assert [event["text"] == TEXT for event in whole if event["type"] == "response.reasoning_text.done"] == [True]
    assert budget_of(server).held == 0


def test_an_end_for_which_there_is_never_room_can_be_read_all_the_same(
    server: ApiServer, sqlite_database: Database, keys: tuple[str, str]
) -> None:
    budget_of(server).most = len(TEXT)
    path = f"/v1/responses/{respond(sqlite_database, TEXT)}?stream=true&starting_after={AT_TEXT + len(TEXT)}"
    assert events_of(get(server, path, keys[0]).text)[-1]["type"] == "response.completed"


@pytest.mark.parametrize(
    ("text", "more", "instructions"),
    [
        (LONG, {}, ""),
        (
            "short",
            {"reasoning": LONG, "reasoning_bytes": len(LONG), "reasoning_sha256": sha256(LONG.encode()).hexdigest()},
            "",
        ),
        ("short", {}, LONG),
        ("short", {"message": {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": LONG}}]}}, ""),
    ],
    ids=["text", "reasoning", "instructions", "arguments"],
)
def test_what_is_long_of_a_response_is_not_written_out_on_the_event_loop(
    sqlite_api: ApiServer, sqlite_database: Database, longest_on_loop: list[int],
    text: str, more: dict[str, Any], instructions: str,
) -> None:  # fmt: skip
    """A text of 13 MiB, four times in the last events, kept `/healthz` waiting for three seconds."""
    response_id = respond(sqlite_database, text, instructions=instructions, **more)
    url = f"http://127.0.0.1:{sqlite_api.port}/v1/responses/{response_id}"
    events = events_of(httpx.get(url, params={"stream": True}, timeout=60).text)
    assert events[-1]["response"] == httpx.get(url, timeout=60).json()
    assert len(json.dumps(events[-1])) > len(LONG)
    assert max(longest_on_loop) <= PIECE


LOGPROBS = {"content": [{"token": "tea", "logprob": -0.25, "bytes": [116, 101, 97], "top_logprobs": []}] * 10_000}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_what_is_long_of_a_completion_is_not_written_out_on_the_event_loop(
    sqlite_api: ApiServer, sqlite_database: Database, longest_on_loop: list[int], path: str, stream: bool
) -> None:
    asked = {"prompt": "Write."} if path == "/v1/completions" else {"messages": REQUEST["messages"]}
    asking = Asking(sqlite_api.port, path, json={"model": "played", "stream": stream, **asked})
    job_id = only_job(sqlite_database)
    claim_now(sqlite_database, job_id, "w", 60)
    thought: dict[str, Any] = {
        "reasoning": LONG,
        "reasoning_bytes": len(LONG),
        "reasoning_sha256": sha256(LONG.encode()).hexdigest(),
    }
    ended = replace(written("short"), message={"logprobs": LOGPROBS}, **thought)
    assert finish(sqlite_database, job_id, 1, ended)
    answer = asking.join()
    if path == "/v1/chat/completions":
        assert len(answer.text) > len(LONG) + len(dump_json(LOGPROBS))
        choices = [json.loads(line[6:])["choices"][0] for line in answer.text.splitlines() if line[:7] == "data: {"]
        assert LOGPROBS in [choice["logprobs"] for choice in choices or answer.json()["choices"]]
    assert "short" in answer.text
    assert max(longest_on_loop) <= PIECE


def test_the_first_rows_of_a_wide_table_are_not_written_out_on_the_event_loop(
    sqlite_api: ApiServer, longest_on_loop: list[int]
) -> None:
    header = ",".join(f"column {number}" for number in range(16_000))
    rows = "".join(",".join(["x" * 40] * 16_000) + "\n" for _ in range(5))
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}/v1", timeout=60) as client:
        file = {"file": ("wide.csv", f"{header}\n{rows}")}
        uploaded = client.post("/files", files=file, data={"purpose": "batch"}).json()
        order = {"input_file_id": uploaded["id"], "input": {"template": "{column 1}"}, "defaults": {"model": "m"}}
        looked = client.post("/inputs", json=order)
    assert looked.status_code == 200, looked.text
    assert len(looked.content) > 3 << 20
    assert max(longest_on_loop) <= PIECE


def test_no_piece_of_a_stream_is_longer_than_that_of_a_download(
    sqlite_api: ApiServer, sqlite_database: Database
) -> None:
    response_id = respond(sqlite_database, "\U0001f600" * 200_000)  # twelve bytes of JSON each
    with socket.create_connection(("127.0.0.1", sqlite_api.port), timeout=60) as line:
        line.sendall(f"GET /v1/responses/{response_id}?stream=true HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        lengths = list(chunk_lengths(line))
    assert sum(lengths) > 4 * 12 * 200_000
    assert max(lengths) <= PIECE


def chunk_lengths(line: socket.socket) -> Iterator[int]:
    """How long each piece of the answer is."""
    with line.makefile("rb") as answer:
        while answer.readline() != b"\r\n":
            pass
        while size := int(answer.readline(), 16):
            answer.read(size + 2)
            yield size


def test_json_in_pieces_is_the_same_json() -> None:
    value = {"a": [LONG, 1, None, {"b": LONG, "é\U0001f600": "\ud800 \x01"}], "nan": float("nan"), "empty": {}}
    pieces = list(ascii_json(value))
    assert b"".join(pieces).decode() == dump_json(value)
    assert max(map(len, pieces)) <= PIECE


def test_a_long_reasoning_in_small_pieces_is_held_as_what_it_is() -> None:
    """Each letter that was kept as a string took 84 bytes: 2,000 watchers of 256 KiB would have held 15 GB."""
    item = ReasoningItem("rs_1", 0, 0)
    pieces = [chr(0x4E00 + number % 20_000) for number in range(20_000)]
    tracemalloc.start()
    try:
        for number, piece in enumerate(pieces):
            for _ in item.add(Reasoning(1, 3 * number, piece, 3 * number + 3)):
                pass
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * item.length
    assert next(event["text"] for _, event in item.end() if "text" in event) == "".join(pieces)

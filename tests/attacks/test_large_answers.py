"""Readers that ask for large texts and do not read them: together they hold no more than a budget, and others go on."""

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from random import Random

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from api.access import large_answers
from api.access.budget import Budget, answer_budget
from api.access.large_answers import PIECE, LargeAnswers
from api.http import listener
from api.server import ApiServer
from jobs.intake.submission import submit_batch
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.transitions import finish
from jobs.store.database import Database
from jobs.store.keys import create_key
from jobs.store.queries import read_batch, read_states
from tests.api.watching import submit, wait_until
from tests.conftest import serve_api
from tests.store.reserving import claim_now
from tests.store.store_fixtures import new_job, written

TEXT = Random(1).randbytes(8 << 20).hex()
"""16 MB: more than the sockets of a connection take at once."""


@pytest.fixture
def job_id(sqlite_database: Database) -> str:
    """A job with this text."""
    made = submit(sqlite_database)
    claim_now(sqlite_database, made, "w", 60)
    assert finish(sqlite_database, made, 1, written(TEXT))
    return made


@pytest.fixture
def keys(sqlite_database: Database) -> tuple[str, str]:
    """The slow reader's and another one's, of the same project."""
    first, second = (create_key(sqlite_database, name=name)[1] for name in ("slow", "other"))
    return first, second


@pytest.fixture
def server(
    sqlite_url: str, redis_url: str, keys: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ApiServer]:
    """An API that holds as many bytes at once as four such texts have, and cuts no reader for reading nothing."""
    monkeypatch.setattr(listener, "GONE_SECONDS", 600)
    with serve_api(sqlite_url, redis_url) as started:
        budget_of(started).most = 4 * len(TEXT)
        yield started


def budget_of(server: ApiServer) -> Budget:
    budget: Budget = server.config.app.state.services.answer_budget  # type: ignore[union-attr]  # FastAPI's
    return budget


def ask(server: ApiServer, job_id: str, key: str) -> httpx.Response:
    return get(server, f"/v1/jobs/{job_id}/text", key)


def get(server: ApiServer, path: str, key: str) -> httpx.Response:
    url = f"http://127.0.0.1:{server.port}{path}"
    return httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def ask_and_read_nothing(server: ApiServer, path: str, key: str) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    line.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
    return line


def test_a_reader_that_reads_nothing_holds_its_keys_share_and_no_more(
    server: ApiServer, job_id: str, keys: tuple[str, str]
) -> None:
    slow, other = keys
    budget = budget_of(server)
    with ExitStack() as lines:
        lines.enter_context(ask_and_read_nothing(server, f"/v1/jobs/{job_id}/text", slow))
        wait_until(lambda: budget.held > 0)
        refused = ask(server, job_id, slow)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "too_many_large_answers"
        assert "Retry-After" in refused.headers
        assert ask(server, job_id, other).text == TEXT
        assert budget.held > 0  # the slow one still has its own
    wait_until(lambda: budget.held == 0)
    assert ask(server, job_id, slow).text == TEXT


@pytest.fixture
def paths(sqlite_database: Database) -> dict[str, str]:
    """Where the results of a batch with such a text are."""
    batch_id = submit_batch(sqlite_database, [new_job()]).id
    [(made, _, _)] = read_states(sqlite_database, batch_id, after="", limit=2)
    claim_now(sqlite_database, made, "w", 60)
    assert finish(sqlite_database, made, 1, written(TEXT))
    assert close_batch(sqlite_database, batch_id)
    batch = read_batch(sqlite_database, batch_id, project=None)
    assert batch is not None
    results = {form: f"/v1/batches/{batch_id}/results?format={form}" for form in ("jsonl", "csv", "md", "zip")}
    return {**results, "file": f"/v1/files/{batch.output_file_id}/content"}


def test_readers_of_streamed_results_that_read_nothing_hold_their_keys_share_and_no_more(
    server: ApiServer, paths: dict[str, str], keys: tuple[str, str]
) -> None:
    """Each holds a text and the line that it becomes. Before, sixty of them held two gigabytes."""
    slow, other = keys
    budget = budget_of(server)
    whole: dict[str, bytes] = {}
    with ExitStack() as lines:
        lines.enter_context(ask_and_read_nothing(server, paths["jsonl"], slow))
        wait_until(lambda: budget.held > 0)
        budget.most = 3 * budget.held  # so it has all that one key may have
        for form, path in paths.items():
            refused = get(server, path, slow)
            assert refused.status_code == 503, form
            assert refused.json()["error"]["code"] == "too_many_large_answers"
        budget.most = 6 * budget.held
        for form, path in paths.items():
            answer = get(server, path, other)
            assert (answer.status_code, len(answer.content) > len(TEXT) // 10) == (200, True), form
            whole[form] = answer.content
        assert budget.held > 0  # the slow one still has its own
    wait_until(lambda: budget.held == 0)
    for form, path in paths.items():
        assert get(server, path, slow).content == whole[form], form


def test_results_for_which_there_is_never_room_can_be_read_all_the_same(
    server: ApiServer, paths: dict[str, str], keys: tuple[str, str]
) -> None:
    budget_of(server).most = len(TEXT)
    [line] = get(server, paths["jsonl"], keys[0]).text.splitlines()
    assert json.loads(line)["text"] == TEXT


def test_a_large_answer_comes_whole_in_pieces(server: ApiServer, job_id: str, keys: tuple[str, str]) -> None:
    answer = ask(server, job_id, keys[0])
    assert int(answer.headers["content-length"]) == len(TEXT)
    assert answer.text == TEXT
    assert budget_of(server).held == 0


def test_a_streamed_answer_passes_whole_while_the_budget_is_full() -> None:
    pieces = [b"a" * PIECE, b"b" * (PIECE + 7), b""]
    length = str(sum(map(len, pieces))).encode()

    async def stream(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": bool(piece)})

    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    full = answer_budget()
    full.most = 0
    asyncio.run(LargeAnswers(stream, full)({"type": "http"}, nothing, keep))
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [200]
    bodies = [message for message in sent if message["type"] == "http.response.body"]
    assert b"".join(message["body"] for message in bodies) == b"".join(pieces)
    assert max(len(message["body"]) for message in bodies) <= PIECE
    assert [message["more_body"] for message in bodies] == [True] * (len(bodies) - 1) + [False]


def test_a_piece_of_a_download_ends_after_its_time_whatever_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ZIP of fifty thousand jobs without a text was one piece, also when its reader had gone."""
    monkeypatch.setattr(large_answers, "TURN_SECONDS", -1.0)
    content = iter([b"", b"", b"a", b""])
    pieces = []
    while (piece := large_answers._next_piece(content)) is not None:
        pieces.append(piece)
    assert pieces == [b"", b"", b"a", b""]
    monkeypatch.undo()
    assert large_answers._next_piece(iter([b"", b"a", b"b"])) == b"ab"
    assert large_answers._next_piece(iter([b"", b""])) is None
    long = b"x" * large_answers.LEAST_PIECE
    assert large_answers._next_piece(iter([long, long])) == long

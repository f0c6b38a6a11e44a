"""Reasoning that the stream of a Response has missed: what is told as `done` is all there is."""

import asyncio
from typing import Any

import httpx
import pytest
import redis

from api.server import ApiServer
from api.watching.job_text import JobText
from api.watching.tails import Slice, Tails
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.live.follower import Reasoning, Text
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.text_parts import TextPart
from tests.api.responding import Reader, create, job_of
from tests.api.watchers import WatcherThread
from tests.api.watching import Writer, wait_until


class Unreadable:
    """Tails that cannot be read for as long as `now`; the channel goes on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = True
        self.failed = 0
        read = Tails._read

        async def fail(tails: Tails, *places: tuple[str, int]) -> list[Slice | None]:
            if not self.now:
                return await read(tails, *places)
            self.failed += 1
            return [None] * len(places)

        monkeypatch.setattr(Tails, "_read", fail)


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> Unreadable:
    return Unreadable(monkeypatch)


@pytest.mark.parametrize("heard", [True, False])
def test_a_response_is_told_its_reasoning_whole_when_the_text_begins_before_the_tails_are_read(
    sqlite_api: ApiServer,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    unreadable: Unreadable,
    *,
    heard: bool,
) -> None:
    """`heard`: a later piece of the reasoning shows that one was missed. If none does, all of it was missed."""
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", timeout=90) as client:
        created = create(client)
        writer = Writer(sqlite_database, valkey_client, job_of(created))
        writer.think("Let me think. ")
        with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
            live = Reader(response)
            live.until("response.in_progress")
            other = WatcherThread(sqlite_api.port, writer.job_id)
            other.wait_for(lambda shown: shown.attempt == 1)
            if heard:
                writer.think("And again.")
                wait_until(lambda: sqlite_api.hub.resyncs >= 2)  # of both
            writer.write("The ")
            other.wait_for(lambda shown: shown.text == "The ")  # which says nothing of the reasoning's end
            assert other.shown.reasoning == ""
            assert unreadable.failed
            unreadable.now = False
            writer.write("text")
            live.until("response.output_text.delta")
            writer.finish()
            events = live.rest()
        other.join()
    assert_whole(events, writer)


def test_a_text_whose_tails_are_never_read_waits_for_its_checkpoint(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, unreadable: Unreadable
) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", timeout=90) as client:
        created = create(client)
        writer = Writer(sqlite_database, valkey_client, job_of(created))
        writer.think("Let me think. ")
        with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
            live = Reader(response)
            live.until("response.in_progress")
            writer.write("The ")
            keep(writer)
            writer.write("text")
            live.until("response.output_text.delta")
            assert unreadable.failed
            writer.finish()
            events = live.rest()
    assert_whole(events, writer)


def test_a_checkpoint_that_is_newer_than_the_tails_brings_no_text_before_its_reasoning() -> None:
    class Growing:
        async def read_both(self, *_: Any) -> tuple[None, Slice]:
            return None, Slice(b"half", 4)

        async def read(self, job_id: str, attempt: int, offset: int, kind: str) -> Slice:
            return Slice(b"half and rest"[offset:], 13)

    class Checkpoints:
        async def run(self, read: Any, job_id: str, offset: int, size: int, kind: str) -> TextPart:
            written = {"text": b"The text", "reasoning": b"half and rest"}[kind]
            return TextPart(written[offset:], 1, JobStatus.IN_PROGRESS, 1)

    async def fill() -> list[Any]:
        text = JobText(Checkpoints(), Growing(), "job_1", 1)  # type: ignore[arg-type]  # as much of them as is called
        return [step async for step in text.fill()]

    steps = asyncio.run(fill())
    assert [step.text for step in steps if isinstance(step, Reasoning)] == ["half", " and rest"]
    assert isinstance(steps[-1], Text)
    assert [step.text for step in steps if isinstance(step, Text)] == ["The text"]


def keep(writer: Writer) -> None:
    """Store a checkpoint of what was written, as the heartbeat does."""
    checkpoint = Checkpoint(writer.job_id, writer.attempt, writer.text, reasoning=writer.reasoning)
    assert renew(writer.database, "played", [checkpoint], 600)


def assert_whole(events: list[dict[str, Any]], writer: Writer) -> None:
    """The reasoning was told once, whole, and before the text; so was the text."""
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert [event["text"] for event in events if event["type"] == "response.reasoning_text.done"] == [writer.reasoning]
    assert kinds.index("reasoning_text.done") < kinds.index("output_text.delta")
    for kind, written in (("reasoning_text", writer.reasoning), ("output_text", writer.text)):
        assert "".join(event["delta"] for event in events if event["type"] == f"response.{kind}.delta") == written

"""What a watch waits on: it is woken for each thing that happens, once, and can never spin."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from api.watching.inbox import Inbox, ReceivedMessage
from jobs.live.channel import decode, encode_delta


@pytest.mark.parametrize("happens", [Inbox.ask_resync, Inbox.poke, Inbox.close])
def test_what_nobody_acts_on_wakes_a_watcher_once(happens: Callable[[Inbox], None]) -> None:
    async def scenario() -> None:
        watcher = Inbox([])
        happens(watcher)
        assert await returned(watcher.take()) == []
        assert await returned(watcher.take()) is None
        taking = asyncio.ensure_future(watcher.take())
        await asyncio.sleep(0)
        happens(watcher)
        assert await taking == []
        assert await returned(watcher.take()) is None

    asyncio.run(scenario())


def test_what_is_heard_after_a_resync_was_noted_is_not_queued() -> None:
    async def scenario() -> None:
        watcher = Inbox([])
        watcher.put(received(0, "before"))
        watcher.ask_resync()
        watcher.put(received(6, "after"))
        assert await returned(watcher.take()) == []
        assert watcher.resync
        watcher.resync = False
        watcher.put(received(11, "later"))
        taken = await returned(watcher.take())
        assert taken is not None
        assert [one.message.text for one in taken] == ["later"]

    asyncio.run(scenario())


def received(offset: int, text: str) -> ReceivedMessage:
    """A delta as the hub hears it."""
    payload = encode_delta(1, offset, text)
    return ReceivedMessage(decode(payload), payload)


async def returned(taking: Awaitable[list[ReceivedMessage]]) -> list[ReceivedMessage] | None:
    """What a `take` gives at once; None for one that waits."""
    task = asyncio.ensure_future(taking)
    await asyncio.sleep(0)
    if task.done():
        return task.result()
    task.cancel()
    return None

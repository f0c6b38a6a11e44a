"""Names of webhooks whose name servers never answer: they cost their own project, and no other."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator

import pytest

from jobs.store.database import Database
from jobs.webhooks import lookups
from jobs.webhooks.endpoints import create_endpoint
from jobs.webhooks.lookups import AT_ONCE, PER_PROJECT, Lookups
from jobs.webhooks.past import send_test
from tests.api.watching import wait_until
from tests.worker.receiving import LOOPBACK, receiving
from worker.webhooks.deliverer import Deliverer
from worker.webhooks.delivery_turns import PER_PROJECT as TRIES_PER_PROJECT
from worker.webhooks.sender import Sender

FOUND = ["127.0.0.1"]


class NameServers:
    """Those of names that begin with `hangs` never answer, until the test is over."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.over = threading.Event()

    def look_up(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        if host.startswith("hangs"):
            self.over.wait(60)
        return FOUND


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServers]:
    monkeypatch.setattr(lookups, "LOOKUP_SECONDS", 3600.0)
    made = NameServers()
    yield made
    made.over.set()


def run(servers: NameServers, story: Callable[[Lookups], Awaitable[None]]) -> None:
    """Run a story with the lookups of one loop."""

    async def told() -> None:
        await story(Lookups(servers.look_up))

    asyncio.run(told())


async def hang(going: Lookups, servers: NameServers, project: str, count: int) -> list[asyncio.Task[list[str]]]:
    """Let a project ask for so many names that hang, and wait until each has its thread."""
    before = len(servers.asked)
    asking = [asyncio.create_task(going.find(project, f"hangs{number}", 443)) for number in range(count)]
    await asyncio.to_thread(wait_until, lambda: len(servers.asked) == before + count)
    return asking


def test_the_names_of_one_project_that_hang_leave_the_others_room(servers: NameServers) -> None:
    async def story(going: Lookups) -> None:
        hanging = await hang(going, servers, "red", PER_PROJECT)
        more = [asyncio.create_task(going.find("red", f"hangs more {number}", 443)) for number in range(100)]
        for number in range(AT_ONCE):
            assert await going.find("blue", f"answers{number}", 443) == FOUND
        assert not any(task.done() for task in hanging + more)
        assert not any(name.startswith("hangs more") for name in servers.asked), "it had its threads"
        servers.over.set()
        assert await asyncio.gather(*hanging, *more) == [FOUND] * (PER_PROJECT + 100)

    run(servers, story)


def test_those_who_wait_for_one_name_share_its_thread_and_its_answer(servers: NameServers) -> None:
    async def story(going: Lookups) -> None:
        asking = [asyncio.create_task(going.find("red", "hangs", 443)) for _ in range(100)]
        assert await going.find("red", "answers", 443) == FOUND
        servers.over.set()
        assert await asyncio.gather(*asking) == [FOUND] * 100
        assert sorted(servers.asked) == ["answers", "hangs"]
        await going.find("red", "hangs", 443)
        assert len(servers.asked) == 3, "an answer is not kept"

    run(servers, story)


def test_a_name_that_is_late_is_refused_and_at_once_from_then_on(
    servers: NameServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "LOOKUP_SECONDS", 0.1)

    async def story(going: Lookups) -> None:
        for task in await hang(going, servers, "red", PER_PROJECT):
            with pytest.raises(TimeoutError):
                await task
        monkeypatch.setattr(lookups, "LOOKUP_SECONDS", 3600.0)
        for name in ("hangs0", "another"):
            with pytest.raises(TimeoutError):
                await going.find("red", name, 443)
        assert len(servers.asked) == PER_PROJECT, "its threads wait still, and no more are begun"
        assert await going.find("blue", "another", 443) == FOUND
        servers.over.set()
        await asyncio.to_thread(wait_until, lambda: not going._going)
        assert await going.find("red", "another", 443) == FOUND

    run(servers, story)


def test_names_of_all_projects_together_are_bounded(servers: NameServers) -> None:
    async def story(going: Lookups) -> None:
        for number in range(AT_ONCE // PER_PROJECT):
            await hang(going, servers, f"p{number}", PER_PROJECT)
        waiting = asyncio.create_task(going.find("blue", "answers", 443))
        for _ in range(100):
            await asyncio.sleep(0)
        assert (waiting.done(), len(servers.asked)) == (False, AT_ONCE)
        servers.over.set()
        assert await waiting == FOUND

    run(servers, story)


def test_webhooks_of_other_projects_are_delivered_while_the_names_of_one_hang(
    database: Database, servers: NameServers
) -> None:
    deliverer = Deliverer(database, Sender(LOOPBACK, find=servers.look_up))
    with receiving() as receiver:
        for number in range(TRIES_PER_PROJECT):
            url = f"http://hangs{number}.example/"
            send_test(database, create_endpoint(database, project="red", url=url, events=["batch.completed"]).id)
        deliverer.start()
        try:
            wait_until(lambda: len(servers.asked) == PER_PROJECT)
            url = f"http://answers.example:{receiver.port}/"
            for number in range(5):
                blue = create_endpoint(database, project=f"blue{number}", url=url, events=["batch.completed"])
                send_test(database, blue.id)
            deliverer.wake()
            receiver.wait_for(5)
            assert len([name for name in servers.asked if name.startswith("hangs")]) == PER_PROJECT
        finally:
            servers.over.set()
            deliverer.stop()

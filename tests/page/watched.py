"""Batches and jobs that tests submit, hold up, watch on the page and compare with what is stored."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from playwright.sync_api import expect

from longhand.client.client import Client
from tests.chaos.fault_proxy import FaultProxy
from tests.chaos.trap import Direction
from tests.page.visit import Visit

SHOWN = (
    """() => [...document.querySelectorAll(".card .mark")].filter((mark) => mark.textContent === "✓ saved").length"""
)
LENGTHS = """async () => {
  const { shownView } = await import(document.querySelector("script[type=module]").src);
  return [...shownView().state.texts.values()].map((text) => text.bytes);
}"""


def request(name: str, prompt: str, **simulate: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}
    return {"custom_id": name, "body": {**body, **({"simulate": simulate} if simulate else {})}}


def submit(client: Client, requests: list[dict[str, Any]], **fields: Any) -> str:
    batch = client.submit_batch({"requests": requests, "metadata": {"title": "On the page"}, **fields})
    return str(batch["id"])


def twenty(client: Client, words: int) -> str:
    prompts = [f"Write a {words}-word article about tea number {i}." for i in range(10)]
    prompts += [f"写一篇约{words}字的文章，介绍第{i}种茶。" for i in range(10)]
    return submit(client, [request(f"tea-{i}", prompt, deltas_per_second=30) for i, prompt in enumerate(prompts)])


def finish(client: Client, batch_id: str) -> str:
    """Wait for the end of a batch; one of its jobs."""
    for _ in client.watch(batch_id, texts="none"):
        pass
    return str(next(iter(client.jobs(batch_id=batch_id)))["id"])


@contextmanager
def _frozen(upstream: FaultProxy, direction: Direction) -> Iterator[None]:
    upstream.freeze(direction)
    try:
        yield
    finally:
        upstream.heal()


def held(upstream: FaultProxy) -> AbstractContextManager[None]:
    """No new request reaches the upstream: what is submitted is running, and not a word of it is written."""
    return _frozen(upstream, "to_server")


def paused(upstream: FaultProxy) -> AbstractContextManager[None]:
    """Not a word more of what is being written arrives, so that nothing ends, however slow the machine is."""
    return _frozen(upstream, "to_client")


def watch_twenty(visit: Visit, client: Client, upstream: FaultProxy, words: int) -> str:
    """Twenty articles, begun only when the page shows their batch, and all of them under way; the batch."""
    with held(upstream):
        batch_id = twenty(client, words)
        visit.go(f"#/batches/{batch_id}")
        visit.heading("On the page")
    visit.wait_for(f"() => ({LENGTHS})().then((all) => all.length === 20 && all.every((n) => n > 40))")
    return batch_id


def scroll_to_card(visit: Visit, place: str, name: str) -> None:
    """Scroll until the card of this name is drawn. Cards grow when they are read, and places move."""
    visit.wait_for(
        f"""(name) => {{
          scrollTo(0, {place});
          return [...document.querySelectorAll(".card")].some((card) => card.textContent.includes(name));
        }}""",
        name,
    )


def assert_every_card_is_as_stored(visit: Visit, client: Client, batch_id: str, count: int) -> None:
    expect(visit.page.locator(".head .badge")).to_have_text("Completed")
    visit.page.set_viewport_size({"width": 1280, "height": 2400})  # room for all cards at once
    visit.wait_for(f"() => ({SHOWN})() === {count}")
    stored = {job["id"]: client.text(job["id"]) for job in client.jobs(batch_id=batch_id, limit=100)}
    assert len(stored) == count
    assert visit.texts() == stored

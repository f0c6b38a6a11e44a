"""What is held says why, since when and what to do, once; and a click lets it go on."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from jobs.store.database import Database
from longhand.client.client import Client
from longhand.simulator import Pace, Provider, ServedSimulator, serve_in_thread
from tests.chaos.fault_proxy import FaultProxy
from tests.page.faults import FAINT, FAULTS
from tests.page.threads import working
from tests.page.visit import Visit
from tests.page.watched import finish, held, request, submit

PAID = 3


@pytest.fixture
def provider() -> Iterator[ServedSimulator]:
    """A provider at which three texts are paid for."""
    with serve_in_thread(Pace(deltas_per_second=0, first_delta_seconds=0.05), Provider(credit=PAID)) as served:
        yield served


@pytest.fixture
def poor(
    provider: ServedSimulator, browser: Browser, sqlite_database: Database, sqlite_url: str, redis_url: str
) -> Iterator[str]:
    """An API before that provider. It asks for the browser only so that nothing is started without one."""
    with working(sqlite_database, sqlite_url, redis_url, provider.url) as url:
        yield url


def banner(page: Page) -> str:
    """Wait for the one banner of a view; what it says."""
    expect(page.locator(".held:visible")).to_have_count(1)
    return page.locator(".held").inner_text()


def test_an_upstream_out_of_credit_shows_one_banner_and_resume_goes_on(
    browser: Browser, poor: str, provider: ServedSimulator
) -> None:
    with Client(poor) as client, Visit.open(browser, poor) as visit:
        batch_id = submit(client, [request(f"tea-{i}", f"Write a 20-word note about tea {i}.") for i in range(12)])
        page = visit.page
        page.set_viewport_size({"width": 1280, "height": 1600})  # only cards in sight are drawn
        visit.go(f"#/batches/{batch_id}")
        said = banner(page)
        assert "is out of credit, so no new article starts." in said
        assert "Add credit. Longhand tries it again by itself " in said
        expect(page.locator(".head .badge")).to_have_text("On hold")
        waiting = page.locator(".card[data-status=queued]")
        expect(waiting).to_have_count(12 - PAID)
        expect(waiting.locator(".card-text")).to_have_text(["Waits for credit."] * (12 - PAID))
        expect(page.get_by_role("alert")).to_have_count(0)
        assert page.evaluate(FAULTS) == []
        assert page.evaluate(FAINT) == []
        page.set_viewport_size({"width": 320, "height": 800})
        visit.wait_for("() => document.documentElement.scrollWidth <= 320")
        page.set_viewport_size({"width": 1280, "height": 800})

        waiting.first.get_by_role("link").click()
        expect(page.locator(".reading .note")).to_contain_text("Waits for credit.")
        assert "is out of credit" in banner(page)
        page.go_back()

        provider.top_up(100)
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".head .badge")).to_have_text("Completed")
        expect(page.locator(".held:visible")).to_have_count(0)
        assert client.batch(batch_id)["request_counts"]["completed"] == 12
        visit.assert_clean()


def test_a_paused_batch_says_so_and_goes_on_at_a_click(visit: Visit, client: Client, upstream: FaultProxy) -> None:
    page = visit.page
    with held(upstream):
        requests = [request(f"tea-{i}", f"Write a 20-word note about tea {i}.") for i in range(4)]
        batch_id = submit(client, requests, max_concurrency=1)
        visit.go(f"#/batches/{batch_id}")
        waiting = page.locator(".card[data-status=queued]")
        expect(waiting).to_have_count(3)
        expect(waiting.locator(".card-text").first).to_contain_text("Waits until another article of its batch ends")
        page.get_by_role("button", name="Pause").click()
        assert "The batch is paused, so no new article starts." in banner(page)
        expect(page.get_by_role("button", name="Pause")).to_be_hidden()
        expect(page.locator(".head .badge")).to_have_text("Writing, the rest on hold")  # what runs goes on
        expect(waiting.locator(".card-text")).to_have_text(["Paused."] * 3)
    expect(page.locator(".card[data-status=completed]")).to_have_count(1)
    expect(page.locator(".head .badge")).to_have_text("On hold")
    expect(waiting).to_have_count(3)
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".held:visible")).to_have_count(0)
    expect(page.locator("h1")).to_be_focused()
    finish(client, batch_id)
    expect(page.locator(".head .badge")).to_have_text("Completed")


def test_a_hold_from_elsewhere_comes_and_goes_without_a_reload(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    with held(upstream):
        batch_id = submit(client, [request("one", "Write a 20-word note."), request("two", "Write a 20-word note.")])
        visit.go(f"#/batches/{batch_id}")
        visit.heading("On the page")
        client.pause(project="default", message="<b>until Monday</b>")
        try:
            said = banner(visit.page)
            assert "The project “default” is paused" in said
            assert "<b>until Monday</b>" in said
        finally:
            client.resume(project="default")
        expect(visit.page.locator(".held:visible")).to_have_count(0)
    finish(client, batch_id)

"""One glance at a batch says what happened to it: in words, and in the colour of what happened."""

import re
import socket
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from jobs.store.database import Database
from longhand.client.client import Client
from tests.chaos.fault_proxy import FaultProxy
from tests.conftest import serve_api
from tests.page.faults import FAINT, FAULTS
from tests.page.threads import working
from tests.page.visit import Visit
from tests.page.watched import finish, held, request, submit

MANY = 40
WAITS = re.compile("^0% · Waits for a free stream: every worker is busy, or none is running")


@pytest.fixture
def deserted(browser: Browser, sqlite_database: Database, sqlite_url: str, redis_url: str) -> Iterator[str]:
    """An API whose upstream refuses every connection. It asks for the browser only so that nothing is started without
    one.
    """
    with socket.socket() as closed:  # bound and not listening: nobody else gets its port
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        with working(sqlite_database, sqlite_url, redis_url, nobody) as url:
            yield url


def test_an_empty_system_says_what_to_do_and_forty_articles_before_a_dead_upstream_say_it_once(
    browser: Browser, deserted: str
) -> None:
    with Client(deserted) as client, Visit.open(browser, deserted) as visit:
        page = visit.page
        visit.go("#/")
        expect(page.locator(".empty")).to_contain_text("Give it a prompt, a list of them, or a file.")
        batch_id = submit(client, [request(f"tea-{i}", f"Write about tea {i}.") for i in range(MANY)])
        visit.go(f"#/batches/{batch_id}")
        expect(page.locator(".held:visible")).to_have_count(1)
        expect(page.locator(".held")).to_contain_text("fails or cannot be reached, so no new article starts.")
        expect(page.locator(".held")).to_contain_text("press Resume to try it now")
        expect(page.locator(".head .badge")).to_have_text("On hold")
        expect(page.locator(".bar-line")).to_contain_text("0% · on hold")
        expect(page.locator(".card[data-status=failed]")).to_have_count(0)
        visit.assert_clean()


def test_forty_failures_are_red_words_and_one_line_with_their_cause(visit: Visit, client: Client) -> None:
    batch_id = submit(client, [request(f"tea-{i}", "Write.", status=400) for i in range(MANY)])
    finish(client, batch_id)
    page = visit.page
    visit.go("#/")
    row = page.locator(".batch-row").first
    expect(row.locator(".badge")).to_have_text("40 failed")
    expect(row.locator(".badge")).to_have_attribute("data-status", "failed")
    visit.go(f"#/batches/{batch_id}")
    expect(page.locator(".head .badge")).to_have_text("40 failed")
    group = page.locator(".failure")
    expect(group).to_have_count(1)
    expect(group.locator(".why")).to_contain_text("40 articles: The upstream rejected the request: ")
    assert "{" not in group.locator(".why").inner_text()
    expect(page.locator(".card")).to_have_count(0)
    folded = page.locator(".folded")
    expect(folded).to_contain_text("40 failed articles are not shown here: above is why they failed.")
    assert page.evaluate(FAULTS) == []
    assert page.evaluate(FAINT) == []
    folded.get_by_role("button", name="Show them here").press("Enter")
    expect(group.get_by_role("button", name="Hide the 40 articles")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(0)
    page.get_by_role("button", name="All 40").click()
    expect(page.locator(".card").first).to_be_visible()
    expect(folded).to_be_hidden()
    group.get_by_role("button", name="Hide the 40 articles").click()
    group.locator("summary").click()
    expect(group.locator("pre")).to_contain_text("upstream_rejected")
    show = group.get_by_role("button", name="Show the 40 articles")
    show.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".card").first).to_be_visible()
    expect(group.get_by_role("button", name="Hide the 40 articles")).to_be_focused()
    assert page.evaluate(FAULTS) == []
    assert page.evaluate(FAINT) == []
    page.set_viewport_size({"width": 320, "height": 800})
    visit.wait_for("() => document.documentElement.scrollWidth <= 320")


def test_two_failures_and_one_text_cut_short_are_said_beside_completed(visit: Visit, client: Client) -> None:
    requests = [request(f"tea-{i}", "Write a 20-word note.") for i in range(2)]
    requests += [request(f"ill-{i}", "Write.", status=400) for i in range(2)]
    ill = submit(client, requests)
    cut = submit(client, [*requests[:2], request("cut", "Write a 33-word note.", finish_reason="length")])
    finish(client, ill)
    finish(client, cut)
    badge = visit.page.locator(".head .badge")
    visit.go(f"#/batches/{ill}")
    expect(badge).to_have_text("Completed with 2 failures")
    expect(badge).to_have_attribute("data-status", "partly_failed")
    expect(visit.page.locator(".card")).to_have_count(4)  # two are no wall
    assert visit.page.evaluate(FAINT) == []
    visit.go(f"#/batches/{cut}")
    expect(badge).to_have_text("1 incomplete")
    expect(badge).to_have_attribute("data-status", "cut_short")
    visit.go("#/")
    rows = visit.page.locator(".batch-row .badge")
    expect(rows.nth(0)).to_have_text("1 incomplete")
    expect(rows.nth(1)).to_have_text("Completed with 2 failures")


def test_tokens_that_are_being_written_count_at_once_and_have_a_unit(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    with held(upstream):
        batch_id = submit(client, [request("long", "x", text="word " * 3000, deltas_per_second=20)])
        visit.go(f"#/batches/{batch_id}")
        visit.heading("On the page")
    written = visit.page.locator(".facts div").filter(has=visit.page.get_by_text("Written", exact=True))
    expect(written.locator("dd")).to_contain_text("tokens")
    assert client.batch(batch_id)["usage"] is None, "none of its articles has ended"
    expect(visit.page.locator(".pace")).to_contain_text("tokens/s (solid) by 1 at once")
    visit.page.set_viewport_size({"width": 1000, "height": 800})  # the figures need more than is beside the chart
    places = "() => [...document.querySelectorAll('.facts, .pace')].map((e) => e.getBoundingClientRect().top)"
    facts, chart = visit.page.evaluate(places)
    assert abs(facts - chart) < 20, "the chart stands beside the figures"
    # Of a text that waits to grow on, the card shows the end, which fades at its top as while it grows.
    look = """(status) => {
      const card = document.querySelector(".card");
      card.dataset.status = status;
      const { maskImage, justifyContent } = getComputedStyle(card.querySelector(".card-body"));
      return [maskImage, justifyContent];
    }"""
    assert visit.page.evaluate(look, "queued") == visit.page.evaluate(look, "in_progress")
    assert visit.page.evaluate(look, "queued")[1] == "flex-end"
    client.cancel(batch_id)
    finish(client, batch_id)
    expect(visit.page.locator(".head .badge")).to_have_text("Cancelled, 0 of 1 completed")
    expect(visit.page.locator(".facts")).to_contain_text("Cancelled1")
    expect(visit.page.locator(".facts")).not_to_contain_text("Failed")


def test_a_finished_batch_has_no_time_left_and_a_running_one_shows_its_percent(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    with held(upstream):
        batch_id = submit(client, [request("one", "Write a 20-word note."), request("two", "Write a 20-word note.")])
        visit.go(f"#/batches/{batch_id}")
        expect(visit.page.locator(".bar-line")).to_have_text("0%")
    finish(client, batch_id)
    expect(visit.page.locator(".head .badge")).to_have_text("Completed")
    expect(visit.page.locator(".bar-line")).to_have_text("")


def test_a_batch_that_only_waits_says_why_and_what_is_cancelled_is_no_failure(
    browser: Browser, sqlite_url: str, redis_url: str
) -> None:
    with (
        serve_api(sqlite_url, redis_url) as api,
        Client(url := f"http://127.0.0.1:{api.port}") as client,
        Visit.open(browser, url, scheme="dark") as visit,
    ):
        page = visit.page
        batch_id = submit(client, [request(f"tea-{i}", "Write.") for i in range(3)])
        visit.go("#/")
        expect(page.locator(".batch-row .badge")).to_have_text("Queued")
        visit.go(f"#/batches/{batch_id}")
        expect(page.locator(".head .badge")).to_have_text("Queued")
        expect(page.locator(".bar-line")).to_have_text(WAITS)
        client.cancel(next(iter(client.jobs(batch_id=batch_id)))["id"])
        expect(page.locator(".head .badge")).to_have_text("Queued, 1 cancelled")
        expect(page.get_by_role("button", name="Cancelled 1")).to_be_visible()
        client.cancel(batch_id)
        expect(page.locator(".head .badge")).to_have_text("Cancelled, 0 of 3 completed")
        expect(page.get_by_role("button", name="Cancelled 3")).to_be_visible()
        expect(page.get_by_text("Not completed")).to_have_count(0)
        assert page.locator(".part.failed").evaluate("(part) => part.offsetWidth") == 0
        assert page.locator(".part.cancelled").evaluate("(part) => part.offsetWidth") > 0
        assert page.evaluate(FAULTS) == []
        assert page.evaluate(FAINT) == []
        visit.assert_clean()

"""What the page shows of jobs while they are written is, at the end, exactly what is stored."""

import os
import random
import signal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from longhand.client.client import Client
from tests.chaos.fault_proxy import FaultProxy
from tests.page.line import Line
from tests.page.visit import Visit
from tests.page.watched import (
    LENGTHS,
    assert_every_card_is_as_stored,
    held,
    paused,
    request,
    scroll_to_card,
    submit,
    watch_twenty,
)
from tests.stack.running_up import Up


def test_twenty_cards_grow_and_each_ends_with_exactly_the_stored_text(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    batch_id = watch_twenty(visit, client, upstream, 150)
    # Any of them: on a busy machine the first article may have ended before the last one began.
    texts = "[...document.querySelectorAll('.card-text')].map((card) => card.textContent).join()"
    with paused(upstream):
        before = visit.page.evaluate(LENGTHS)
        shown = visit.page.evaluate(f"() => {texts}")
    # On a very busy one all have ended before they could be paused.
    ended = "document.querySelector('.head .badge').textContent === 'Completed'"
    visit.wait_for(f"(was) => {texts} !== was || {ended}", shown)
    visit.wait_for(f"(sum) => ({LENGTHS})().then((all) => all.reduce((a, b) => a + b) > sum || {ended})", sum(before))
    assert_every_card_is_as_stored(visit, client, batch_id, 20)


@pytest.mark.chaos
def test_the_api_dies_midway_and_every_character_is_shown_once(
    visit: Visit, client: Client, up: Up, upstream: FaultProxy
) -> None:
    visit.network_lost = True
    batch_id = watch_twenty(visit, client, upstream, 300)
    killed = up.children()["api"]
    with up.frozen():  # else the API is back in a moment, which is not worth a word to the page
        os.kill(killed, signal.SIGKILL)
        expect(visit.page.locator("#lost")).to_contain_text("No connection")
    up.wait_for(r"api died \(signal SIGKILL\)")
    assert_every_card_is_as_stored(visit, client, batch_id, 20)
    assert up.children()["api"] != killed
    expect(visit.page.locator("#lost")).to_have_text("")


def test_a_reload_midway_and_leaving_and_coming_back_show_every_character_once(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    visit.network_lost = True  # a reload cuts the stream
    batch_id = watch_twenty(visit, client, upstream, 150)
    with paused(upstream):
        visit.page.reload()
        visit.heading("On the page")
        visit.page.goto(f"{visit.url}/#/new")
        visit.heading("New articles")
        visit.page.go_back()
        visit.heading("On the page")
    assert_every_card_is_as_stored(visit, client, batch_id, 20)


@pytest.mark.chaos
def test_a_network_lost_again_and_again_shows_every_character_once(
    browser: Browser, up: Up, client: Client, upstream: FaultProxy
) -> None:
    chance = random.Random(7)
    with Line.to(urlsplit(up.url).port or 0) as line, Visit.open(browser, f"http://127.0.0.1:{line.port}") as visit:
        visit.network_lost = True
        # The page comes back a second after each cut: the texts must go on for much longer than five of these.
        batch_id = watch_twenty(visit, client, upstream, 700)
        for _ in range(5):
            line.cut()
            before = sum(visit.page.evaluate(LENGTHS))  # after the cut: what is more has come over a new connection
            visit.page.wait_for_timeout(chance.uniform(0, 300))  # so long it is in the tunnel
            line.mend()
            visit.wait_for(f"(sum) => ({LENGTHS})().then((all) => all.reduce((a, b) => a + b) > sum)", before)
        assert line.cut_connections >= 5
        line.cut()
        expect(visit.page.locator("#lost")).to_contain_text("No connection")
        line.mend()
        expect(visit.page.locator("#lost")).to_have_text("")
        assert_every_card_is_as_stored(visit, client, batch_id, 20)
        visit.assert_clean()


def test_of_a_hundred_and_fifty_cards_only_those_in_sight_are_drawn(visit: Visit, client: Client) -> None:
    batch_id = submit(client, [request(f"note-{i:03}", "Write.", text=f"A note about {i}.") for i in range(150)])
    visit.go(f"#/batches/{batch_id}")
    expect(visit.page.locator(".filters button").first).to_have_text("All 150")
    drawn = visit.page.locator(".card")
    assert 0 < drawn.count() < 60
    expect(drawn.first).to_contain_text("note-000")
    most = drawn.count()
    for _ in range(12):
        visit.page.mouse.wheel(0, 2500)
        visit.page.wait_for_timeout(50)
        most = max(most, drawn.count())
    scroll_to_card(visit, "document.body.scrollHeight", "note-149")
    expect(drawn.last).to_contain_text("note-149")
    assert most < 60
    assert drawn.last.get_attribute("aria-posinset") == drawn.last.get_attribute("aria-setsize") == "150"
    expect(visit.page.locator(".head .badge")).to_have_text("Completed")
    # What is looked at is read and compared, and no more than that.
    expect(drawn.last.locator(".mark")).to_have_text("✓ saved")
    assert len(visit.texts()) <= 150


def test_a_job_grows_on_its_own_page_to_exactly_its_stored_text(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    with held(upstream):
        job = client.submit_job({**request("", "Write a 90-word article about ink.")["body"], "custom_id": "ink"})
        visit.go(f"#/jobs/{job['id']}")
        visit.heading("ink")
        expect(visit.page.locator(".state .badge")).to_have_text("Writing")
    expect(visit.page.locator(".state .mark")).to_have_text("✓ saved")
    visit.page.get_by_role("button", name="Plain text").click()
    assert visit.page.locator(".raw").text_content() == client.text(job["id"])
    expect(visit.page.locator(".details")).to_contain_text("Attempts")
    expect(visit.page.locator(".attempts li")).to_have_count(1)


def test_the_failures_of_a_batch_run_again_at_a_click(visit: Visit, client: Client) -> None:
    requests = [
        request("well", "Write a 20-word note."),
        request("ill", "Write a 30-word note on failing.", times=1, status=400),
    ]
    batch_id = submit(client, requests, max_attempts=1)
    visit.go(f"#/batches/{batch_id}")
    visit.page.get_by_role("button", name="Retry 1 failure").click()
    expect(visit.page.get_by_role("button", name="All 2")).to_be_visible()
    expect(visit.page.get_by_role("button", name="Completed 2")).to_be_visible()
    assert_every_card_is_as_stored(visit, client, batch_id, 2)


def test_a_cancelled_batch_keeps_its_texts_on_the_cards_and_is_written_again_at_a_click(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    with held(upstream):
        batch_id = submit(client, [request(name, f"Write a 150-word note on {name}.") for name in ("ink", "pens")])
        visit.go(f"#/batches/{batch_id}")
        visit.heading("On the page")
    texts = visit.page.locator(".card-text:not(.note)")
    expect(texts).to_have_count(2)
    with paused(upstream):
        visit.page.get_by_role("button", name="Cancel", exact=True).click()
        visit.page.get_by_role("button", name="Cancel them").click()
        again = visit.page.get_by_role("button", name="Write the 2 cancelled again")
        expect(again).to_be_visible()
    kept = visit.page.locator(".card-text.kept")
    expect(kept).to_have_count(2)
    stored = "".join(client.text(job["id"], partial=True) for job in client.jobs(batch_id=batch_id))
    shown = " ".join(kept.all_inner_texts()).split()
    assert shown
    assert all(word in stored for word in shown)
    again.click()
    expect(visit.page.get_by_role("button", name="Completed 2")).to_be_visible()
    assert_every_card_is_as_stored(visit, client, batch_id, 2)


def test_a_failed_job_runs_again_at_a_click(visit: Visit, client: Client) -> None:
    ill = request("again", "Write a 40-word note about again.", times=1, cut_after=5)
    job = client.submit_job({**ill["body"], "max_attempts": 1})
    visit.go(f"#/jobs/{job['id']}")
    visit.page.get_by_role("button", name="Retry").click()
    expect(visit.page.locator(".state .badge")).to_have_text("Completed")
    expect(visit.page.locator(".state .mark")).to_have_text("✓ saved")
    expect(visit.page.locator(".attempts li")).to_have_count(2)
    visit.page.get_by_role("button", name="Plain text").click()
    assert visit.page.locator(".raw").text_content() == client.text(job["id"])


def test_a_batch_is_cancelled_only_after_a_question(visit: Visit, client: Client) -> None:
    batch_id = submit(
        client, [request(f"slow-{i}", "Write.", deltas_per_second=2, text="word " * 200) for i in range(3)]
    )
    visit.go(f"#/batches/{batch_id}")
    visit.page.get_by_role("button", name="Cancel", exact=True).click()
    visit.page.get_by_role("button", name="Let them be written").click()
    assert client.read(batch_id)["status"] == "in_progress"
    visit.page.get_by_role("button", name="Cancel", exact=True).click()
    visit.page.get_by_role("button", name="Cancel them").click()
    expect(visit.page.locator(".head .badge")).to_have_text("Cancelled, 0 of 3 completed")
    assert client.read(batch_id)["status"] == "cancelled"


def test_a_batch_fits_on_a_phone(visit: Visit, client: Client) -> None:
    batch_id = submit(client, [request("a-name-that-is-rather-too-long-for-a-phone" * 3, "Write a 20-word note.")])
    visit.narrow(360)
    visit.go(f"#/batches/{batch_id}")
    expect(visit.page.locator(".card")).to_be_visible()
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 360

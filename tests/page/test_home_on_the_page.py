"""Home lists what there is: batches and single articles together, or one kind alone."""

from playwright.sync_api import expect

from longhand.client.client import Client
from tests.page.faults import FAINT, FAULTS
from tests.page.visit import Visit
from tests.page.watched import finish, request, submit


def test_home_lists_batches_and_single_articles_newest_first_and_each_kind_alone(visit: Visit, client: Client) -> None:
    batch_id = submit(client, [request("one", "Write a 20-word note.")])
    finish(client, batch_id)
    single = client.submit_job(request("", "Write a note about a lighthouse.", text="Light.")["body"])
    list(client.watch(single["id"]))
    page = visit.page
    visit.go("#/")
    visit.heading("All work")
    rows = page.locator(".batch-row")
    expect(rows.nth(0).locator("h2")).to_have_text("Write a note about a lighthouse.")
    expect(rows.nth(0).locator(".badge")).to_have_text("Completed")
    expect(rows.nth(1).locator("h2")).to_have_text("On the page")
    assert page.evaluate(FAULTS) == []
    assert page.evaluate(FAINT) == []
    page.set_viewport_size({"width": 320, "height": 800})
    visit.wait_for("() => document.documentElement.scrollWidth <= 320")

    page.get_by_role("button", name="Batches").click()
    expect(page.get_by_role("link", name="Write a note about a lighthouse.")).to_have_count(0)
    expect(rows.first.locator("h2")).to_have_text("On the page")
    page.get_by_role("button", name="Single articles").click()
    expect(rows.first.locator("h2")).to_have_text("Write a note about a lighthouse.")
    expect(page.get_by_role("link", name="On the page", exact=True)).to_have_count(0)

    page.get_by_label("Search texts and custom_ids").fill("light")
    page.keyboard.press("Enter")
    visit.heading("Search: “light”")

    page.get_by_label("Words in the text, or how the custom_id begins").fill("on")
    page.keyboard.press("Enter")
    visit.heading("Search: “on”")
    expect(page.locator(".hit h2").get_by_text("one", exact=True).first).to_be_visible()

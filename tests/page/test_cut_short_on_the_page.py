"""A completed text that was cut short never looks like a whole one, and can be written again at a click."""

from playwright.sync_api import expect

from longhand.client.client import Client
from tests.page.faults import FAINT, FAULTS
from tests.page.visit import Visit
from tests.page.watched import finish, request, submit


def test_a_text_that_was_cut_short_says_so_everywhere(visit: Visit, client: Client) -> None:
    requests = [
        request("whole", "Write a 20-word note."),
        request("cut", "Write a 30-word note.", times=1, finish_reason="length"),
        request("filtered", "Write a 31-word note.", finish_reason="content_filter"),
    ]
    batch_id = submit(client, requests)
    finish(client, batch_id)
    page = visit.page
    visit.go("#/")
    expect(page.locator("main")).to_contain_text("2 incomplete")

    visit.go(f"#/batches/{batch_id}")
    cards = page.locator(".card")
    expect(cards.locator(".badge")).to_have_text(["Completed", "Cut short", "Cut short"])
    expect(page.get_by_role("button", name="Incomplete 2")).to_be_visible()
    page.get_by_role("button", name="Incomplete 2").click()
    expect(cards).to_have_count(2)

    page.get_by_role("link", name="cut", exact=True).click()
    visit.heading("cut")
    expect(page.locator(".state .badge")).to_have_text("Cut short")
    expect(page.locator(".cut")).to_have_text("Cut short: the text reached the token limit.")
    expect(page.locator(".details")).to_contain_text("max_output_tokens")
    expect(page.get_by_role("button", name="Retry", exact=True)).to_be_visible()

    page.go_back()
    page.get_by_role("button", name="Retry 2 incomplete articles").click()
    # The first is whole this time; the other's upstream filters it again.
    expect(page.locator(".head .badge")).to_have_text("1 incomplete")
    expect(cards.locator(".badge")).to_have_text(["Completed", "Completed", "Cut short"])
    expect(page.get_by_role("button", name="Retry 1 incomplete article")).to_be_visible()


def test_a_card_says_why_its_article_began_anew(visit: Visit, client: Client) -> None:
    page = visit.page
    torn = {"cut_after": 5, "times": 1, "key": "torn-once"}
    batch_id = submit(
        client, [request("torn", "Write a 40-word note.", **torn), request("well", "Write a 20-word note.")]
    )
    finish(client, batch_id)
    visit.go(f"#/batches/{batch_id}")
    said = page.locator(".card-anew")
    expect(said).to_have_text(["Attempt 2. The one before: The upstream's answer broke off.", ""])
    assert page.evaluate(FAULTS) == []
    assert page.evaluate(FAINT) == []

"""A tool call on the page: each call with its name and its arguments, and no text that looks like one."""

from playwright.sync_api import expect

from longhand.client.client import Client
from tests.page.visit import Visit
from tests.page.watched import finish, request, submit

CALLS = [
    {"name": "get_weather", "arguments": {"city": "Oslo <b>bold</b>", "days": [1, 2]}},
    {"name": "get_time", "arguments": "not JSON"},
]


def test_the_calls_of_a_job_are_shown_as_names_and_arguments(visit: Visit, client: Client) -> None:
    requests = [
        request("called", "Write about the weather.", tool_calls=CALLS),
        request("both", "Write about the weather.", text="Let me look.", tool_calls=CALLS[:1]),
        request("text", "Write a 20-word note."),
    ]
    batch_id = submit(client, requests)
    finish(client, batch_id)
    page = visit.page
    visit.go(f"#/batches/{batch_id}")
    cards = page.locator(".card")
    expect(cards.nth(0)).to_contain_text("The model called a tool.")

    page.get_by_role("link", name="called", exact=True).click()
    visit.heading("called")
    expect(page.locator(".note")).to_have_text("The model called a tool.")
    calls = page.locator(".calls")
    expect(calls.locator("h2")).to_have_text("Tool calls")
    expect(calls.locator("figcaption")).to_have_text(["get_weather", "get_time"])
    expect(calls.locator("pre").nth(0)).to_contain_text('"city": "Oslo <b>bold</b>"')
    expect(calls.locator("pre").nth(1)).to_have_text("not JSON")

    page.go_back()
    page.get_by_role("link", name="both", exact=True).click()
    visit.heading("both")
    expect(page.locator(".article")).to_contain_text("Let me look.")
    expect(calls.locator("h2")).to_have_text("Tool call")

    page.go_back()
    page.get_by_role("link", name="text", exact=True).click()
    visit.heading("text")
    expect(page.locator(".state .mark")).to_have_text("✓ saved")
    expect(calls).to_be_hidden()

"""Whoever leaves the form finds it again as it was, and is not called away from where they went."""

import pytest
from playwright.sync_api import Route, expect

from tests.page.visit import Visit

MODEL = "gpt-4o-mini"

pytestmark = pytest.mark.usefixtures("at_the_form")


def test_what_is_typed_survives_other_views_and_a_reload_until_it_is_sent(visit: Visit) -> None:
    visit.page.get_by_label("A list").check()
    visit.page.get_by_label("Prompts").fill("Write 10 words about drafts.\nWrite 11 words.")
    visit.page.get_by_label("Model").fill(MODEL)
    visit.page.get_by_label("Title").fill("A draft")
    visit.page.get_by_role("link", name="Search").click()
    visit.heading("Search")
    visit.page.go_back()
    visit.heading("New articles")
    expect(visit.page.get_by_label("Title")).to_have_value("A draft")
    visit.page.reload()
    expect(visit.page.get_by_label("Prompts")).to_have_value("Write 10 words about drafts.\nWrite 11 words.")
    visit.page.get_by_role("button", name="Submit 2 articles").click()
    visit.heading("A draft")
    visit.page.go_back()
    visit.heading("New articles")
    expect(visit.page.get_by_label("Prompt", exact=True)).to_have_value("")
    visit.page.get_by_label("A list").check()
    expect(visit.page.get_by_label("Prompts")).to_have_value("")


def test_who_goes_elsewhere_while_something_is_sent_is_left_there(visit: Visit) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visit.page.route("**/v1/jobs", hold)
    visit.page.get_by_label("Prompt", exact=True).fill("Write 10 words about going elsewhere.")
    visit.page.get_by_label("Model").fill(MODEL)
    visit.page.keyboard.press("Control+Enter")
    visit.wait_for("() => document.querySelector('.new button.main').disabled")
    visit.page.keyboard.press("Control+Enter")
    visit.page.get_by_role("link", name="Search").click()
    visit.heading("Search")
    expect(visit.page.locator("#said")).not_to_be_empty()  # what was found; later it would take the next words' place
    held[0].continue_()
    expect(visit.page.locator("#said")).to_have_text("Submitted.")
    visit.heading("Search")
    assert len(held) == 1
    visit.page.go_back()
    expect(visit.page.get_by_label("Prompt", exact=True)).to_have_value("")

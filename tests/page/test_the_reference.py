"""The API's reference at `/docs`, in a browser: it is drawn, it can be used, and nobody else is asked for anything."""

import re

import pytest
from playwright.sync_api import expect

from tests.page.visit import Visit


@pytest.fixture(autouse=True)
def at_the_reference(visit: Visit) -> None:
    visit.page.goto(f"{visit.url}/docs")
    expect(visit.page.locator(".info .title")).to_contain_text("Longhand")


def test_the_reference_shows_every_call_and_asks_no_other_host(visit: Visit) -> None:
    told = visit.page.evaluate("fetch('/openapi.json').then((answer) => answer.json())")
    calls = {(path, method.upper()) for path, methods in told["paths"].items() for method in methods}
    assert len(calls) > 10
    for path, method in calls:
        shown = visit.page.locator(f".opblock-summary:has([data-path='{path}'])", has_text=method)
        expect(shown.first).to_be_visible()
    visit.page.locator(".opblock").first.locator(".opblock-summary-control").click()
    expect(visit.page.locator(".opblock.is-open .responses-wrapper")).to_be_visible()
    assert len(visit.requested) >= 5  # and `visit` says at its end that all of them were to this host


def test_a_call_can_be_tried_out(visit: Visit) -> None:
    call = visit.page.locator("[id$='get_healthz']").or_(visit.page.locator(".opblock", has_text="/healthz")).first
    call.locator(".opblock-summary-control").click()
    call.get_by_role("button", name="Try it out").click()
    call.get_by_role("button", name="Execute").click()
    expect(call.locator(".live-responses-table .response-col_status").last).to_contain_text(re.compile("200"))

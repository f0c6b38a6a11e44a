"""The page by keyboard, by screen reader, on a phone, in the dark, in English and in Chinese."""

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Browser, expect

from longhand.client.client import Client
from longhand.client.errors import ConflictError
from tests.page.faults import FAINT, FAULTS
from tests.page.visit import Visit
from tests.stack.running_up import Up


@pytest.fixture(scope="package")
def routes(up: Up) -> Iterator[dict[str, str]]:
    """Every view, with something in each state to show. The long one goes on being written."""
    with Client(up.url) as client:
        ask = [{"role": "user", "content": "Write a 40-word note."}]
        states: list[dict[str, Any]] = [
            {},
            {"status": 400},
            {"text": "wort " * 2000, "deltas_per_second": 4},
            {"cut_after": 3},
        ]
        batch = client.submit_batch(
            {
                "requests": [
                    {"custom_id": f"state-{i}", "body": {"model": "m", "messages": ask, "simulate": orders}}
                    for i, orders in enumerate(states)
                ],
                "max_attempts": 1,
            }
        )
        jobs = [job["id"] for job in client.jobs(batch_id=batch["id"], limit=10)][::-1]
        for job_id in (jobs[0], jobs[1], jobs[3]):
            list(client.watch(job_id))
        yield {
            "batches": "#/",
            "new": "#/new",
            "search": "#/search",
            "nothing": "#/search?q=nowhere-to-be-found",
            "batch": f"#/batches/{batch['id']}",
            "completed": f"#/jobs/{jobs[0]}",
            "failed": f"#/jobs/{jobs[1]}",
            "writing": f"#/jobs/{jobs[2]}",
            "system": "#/system",
            "lost": "#/no/such/view",
        }
        with suppress(ConflictError):  # however long the tests took, it may have ended
            client.cancel(batch["id"])


def settle(visit: Visit) -> None:
    expect(visit.page.locator("h1")).not_to_be_empty()
    expect(visit.page.locator(".loading:visible")).to_have_count(0)


VIEWS = ["batches", "new", "search", "nothing", "batch", "completed", "failed", "writing", "system", "lost"]
LOCALES = ["en-US", "zh-CN"]


LOOKS = {"resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}
"""`FAINT` looks at the contrast of every text, in a thirtieth of the time."""


@pytest.mark.parametrize(
    ("locale", "scheme", "width"),  # every two of them meet
    [("en-US", "light", 1280), ("en-US", "dark", 390), ("zh-CN", "light", 390), ("zh-CN", "dark", 1280)],
)
def test_no_view_has_a_fault_and_everything_has_a_name_and_stands_out_from_its_ground(
    browser: Browser, up: Up, routes: dict[str, str], locale: str, scheme: Any, width: int
) -> None:
    """axe-core is the one that the development tool `axe-playwright-python` brings. What it finds no colour changes, so
    it looks once in each language and at each width.
    """
    with Visit.open(browser, up.url, width=width, scheme=scheme, locale=locale, bypasses_policy=True) as visit:
        if scheme == "light":
            visit.page.add_init_script(AXE_SCRIPT)
        for view in VIEWS:
            visit.go(routes[view])
            settle(visit)
            assert visit.page.evaluate(FAULTS) == [], view
            assert visit.page.evaluate(FAINT) == [], view
            if scheme == "light":
                found = AxeResults(visit.page.evaluate("(options) => axe.run(options)", LOOKS))
                assert found.response["passes"], "axe has looked at nothing"
                assert found.violations_count == 0, f"{view}: {found.generate_report()}"


@pytest.mark.parametrize("locale", LOCALES)
def test_nothing_is_wider_than_a_phone(browser: Browser, up: Up, routes: dict[str, str], locale: str) -> None:
    with Visit.open(browser, up.url, width=320, locale=locale) as visit:
        for view in VIEWS:
            visit.go(routes[view])
            settle(visit)
            visit.page.evaluate("for (const fold of document.querySelectorAll('main details')) fold.open = true")
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= 320, view
        visit.go(routes["new"])
        visit.page.locator("input[value=file]").check()
        visit.page.locator("#file").set_input_files(
            {"name": "a-table-with-a-long-name.csv", "mimeType": "text/csv", "buffer": b"topic,words\ntea,20\n"}
        )
        visit.page.locator("#template").wait_for()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 320, "a file"
        visit.assert_clean()


def test_a_text_from_right_to_left_begins_at_the_right_and_fits_on_a_phone(visit: Visit, client: Client) -> None:
    text = "# شاي\n\n- أول\n  - داخل\n\n1. واحد\n\n> اقتباس\n\n| اسم | عدد |\n|---|---|\n| شاي | 3 |\n\nIn English."
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "simulate": {"text": text}}
    job = client.submit_job(body)
    visit.narrow(320)
    visit.go(f"#/jobs/{job['id']}")
    expect(visit.page.locator(".mark")).to_have_text("✓ saved")
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 320
    begins_at = """(selector) => {
      const words = document.createRange();
      words.selectNodeContents(document.querySelector(selector));
      const [all, own] = [document.querySelector(".article"), words].map((one) => one.getBoundingClientRect());
      return own.left - all.left < all.right - own.right ? "left" : "right";
    }"""
    sides = {one: visit.page.evaluate(begins_at, f".article {one}") for one in ("h2", "li > span", "th", "> p")}
    assert sides == {"h2": "right", "li > span": "right", "th": "right", "> p": "left"}


def test_the_fields_of_a_search_stand_in_one_line(visit: Visit) -> None:
    visit.go("#/search")
    visit.heading("Search")
    boxes = [visit.page.locator(one).bounding_box() for one in ("#q", "#status", "#model", ".search button")]
    assert len({(box["y"], box["height"]) for box in boxes if box}) == 1, boxes
    expect(visit.page.get_by_label("Words in the text, or how the custom_id begins")).to_be_visible()


def test_the_focus_goes_along_with_the_view(visit: Visit, routes: dict[str, str]) -> None:
    visit.go("#/new")
    visit.heading("New articles")
    visit.page.get_by_role("link", name="Search").click()
    expect(visit.page.locator("h1")).to_be_focused()
    assert visit.page.title() == "Search · Longhand"
    expect(visit.page.get_by_role("link", name="Search")).to_have_attribute("aria-current", "page")


def test_the_first_link_skips_to_the_content_and_leaves_the_view_as_it_is(visit: Visit) -> None:
    visit.go("#/new")
    visit.heading("New articles")
    visit.page.evaluate("document.activeElement.blur()")
    visit.page.keyboard.press("Tab")
    expect(visit.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    visit.page.keyboard.press("Enter")
    expect(visit.page.locator("#main")).to_be_focused()
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.querySelector('.new').contains(document.activeElement)")
    visit.heading("New articles")


def test_going_back_finds_an_article_where_it_was_left(visit: Visit, client: Client) -> None:
    text = "".join(f"Paragraph {number} of words.\n\n" for number in range(200))
    orders = {"text": text, "deltas_per_second": 1000}
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "simulate": orders}
    visit.go(f"#/jobs/{client.submit_job(body)['id']}")
    expect(visit.page.locator(".mark")).to_have_text("✓ saved")
    visit.page.evaluate(
        "new Promise((done) => { addEventListener('scrollend', done, { once: true }); scrollTo(0, 900); })"
    )
    visit.page.get_by_role("link", name="Search").evaluate("(link) => link.click()")
    visit.heading("Search")
    visit.page.go_back()
    expect(visit.page.locator(".mark")).to_have_text("✓ saved")
    visit.wait_for("() => scrollY === 900")


def test_a_chosen_theme_is_kept(visit: Visit) -> None:
    visit.go("")
    visit.heading("All work")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = visit.page.evaluate(paper)
    button = visit.page.locator("#theme")
    button.click()
    expect(button).to_have_attribute("title", "Theme: light")
    button.click()
    expect(button).to_have_attribute("title", "Theme: dark")
    dark = visit.page.evaluate(paper)
    assert dark != light
    visit.page.reload()
    visit.heading("All work")
    assert visit.page.evaluate(paper) == dark
    button.click()
    assert visit.page.evaluate(paper) == light


def test_an_unknown_batch_is_told_in_words(visit: Visit) -> None:
    visit.refused = {404}
    visit.go("#/batches/batch_0")
    expect(visit.page.get_by_role("alert")).to_contain_text("no batch has the id")
    expect(visit.page.locator(".head .badge")).to_be_hidden()
    visit.go("#/jobs/job_0")
    expect(visit.page.get_by_role("alert")).to_contain_text("no job has the id")
    expect(visit.page.locator(".head .badge")).to_be_hidden()
    visit.heading("No such article")


def test_what_is_stored_can_be_downloaded_in_three_forms(visit: Visit, client: Client, routes: dict[str, str]) -> None:
    visit.go(routes["batch"])
    for word, ending in (("Markdown", "md"), ("JSONL", "jsonl"), ("CSV", "csv")):
        with visit.page.expect_download() as waiting:
            visit.page.get_by_role("link", name=f"Download as {word}").click()
        assert waiting.value.suggested_filename.endswith(f".{ending}")
        assert "state-0" in waiting.value.path().read_text()


def test_the_files_in_a_zip_are_named_by_what_one_chooses(visit: Visit, routes: dict[str, str]) -> None:
    visit.go(routes["batch"])
    for chosen, first in (("files by custom_id", "0001-state-0"), ("files by job id", "0001-job_")):
        visit.page.get_by_label("What names the files in the ZIP").select_option(chosen)
        with visit.page.expect_download() as waiting:
            visit.page.get_by_role("link", name="Download as ZIP").click()
        with zipfile.ZipFile(waiting.value.path()) as archive:
            assert archive.namelist()[0].startswith(first)

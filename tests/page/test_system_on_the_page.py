"""The system view: what runs, what waits and why, the upstreams, and whose key this is."""

import re
from datetime import timedelta

from playwright.sync_api import Browser, Page, Route, expect
from redis import Redis
from sqlalchemy import update

from jobs.intake.submission import NewJob, submit_job
from jobs.store.database import Database
from jobs.tables import jobs
from longhand.client.client import Client
from tests.api.signs import give_sign
from tests.chaos.fault_proxy import FaultProxy
from tests.conftest import serve_api
from tests.page.faults import FAINT, FAULTS
from tests.page.visit import Visit
from tests.page.watched import finish, held, request, submit
from tests.store.reserving import claim_now


def figure(page: Page, name: str) -> str:
    """The figure with this name at the top."""
    return page.locator(".tiles > div", has=page.get_by_text(name, exact=True)).locator("dd").inner_text()


def test_what_is_written_and_what_waits_is_seen_at_once_and_the_view_goes_on_by_itself(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    page = visit.page
    with held(upstream):
        requests = [request(f"tea-{i}", f"Write a 20-word note about tea {i}.") for i in range(4)]
        for one in requests:
            one["body"]["model"] = "of-this-test"  # others may have left something to write
        batch_id = submit(client, requests, max_concurrency=1)
        visit.go("#/system")
        line = page.locator(".rows > li", has_text="of-this-test")
        expect(line).to_contain_text("1 being written · 3 wait")
        expect(line).to_contain_text("First in the queue: Waits until another article of its batch ends")
        assert int(figure(page, "Free streams").replace(",", "")) > 0
        assert figure(page, "Database").endswith(" ms")
        client.pause(batch_id, message="<b>until Monday</b>")
        banner = page.locator(".held:visible")
        expect(banner).to_contain_text("The batch is paused")
        expect(banner).to_contain_text("<b>until Monday</b>")
        assert page.evaluate(FAULTS) == []
        assert page.evaluate(FAINT) == []
        banner.get_by_role("button", name="Resume").click()
        expect(page.locator(".held:visible")).to_have_count(0)
        expect(page.locator("h1")).to_be_focused()
    finish(client, batch_id)
    expect(line).to_have_count(0)


def test_an_upstream_is_paused_after_a_question_and_goes_on_at_a_click(visit: Visit, client: Client) -> None:
    page = visit.page
    finish(client, submit(client, [request("one", "Write a 20-word note.")]))
    visit.go("#/system")
    expect(page.locator(".upstream .badge")).to_have_text("Works")
    page.get_by_role("button", name="Pause the upstream default").click()
    page.get_by_role("button", name="Let it go on").click()
    assert client.upstreams()["data"][0]["state"] == "ok"
    page.get_by_role("button", name="Pause the upstream default").click()
    page.get_by_role("button", name="Pause it").click()
    try:
        expect(page.locator(".upstream .badge")).to_have_text("On hold")
        assert client.upstreams()["data"][0]["hold"]["reason"] == "paused"
    finally:
        page.locator(".upstream").get_by_role("button", name="Resume").click()
    expect(page.locator(".upstream .badge")).to_have_text("Works")
    expect(page.locator(".head .badge")).to_have_text("All is well")


def test_an_upstream_that_refused_all_of_late_is_not_said_to_work(visit: Visit, client: Client) -> None:
    page = visit.page
    finish(client, submit(client, [request(f"ill-{i}", "Write.", status=404) for i in range(3)]))
    visit.go("#/system")
    expect(page.locator(".head .badge")).to_have_text("Needs a look")
    expect(page.locator(".upstream .badge")).to_have_text(re.compile(r"^Refused the last \d+ articles$"))
    expect(page.locator(".upstream")).to_contain_text("The upstream rejected the request")
    assert page.evaluate(FAULTS) == []
    assert page.evaluate(FAINT) == []
    finish(client, submit(client, [request("one", "Write a 20-word note.")]))
    visit.go("#/")
    visit.go("#/system")
    expect(page.locator(".upstream .badge")).to_have_text("Works")
    expect(page.locator(".head .badge")).to_have_text("All is well")


def test_without_a_worker_the_view_says_how_to_start_one(browser: Browser, sqlite_url: str, redis_url: str) -> None:
    with (
        serve_api(sqlite_url, redis_url) as api,
        Visit.open(browser, f"http://127.0.0.1:{api.port}", width=320) as visit,
    ):
        visit.go("#/system")
        said = visit.page.get_by_role("alert")
        expect(said).to_have_text(
            "No worker is running, so nothing is written."
            " Start one with longhand worker, or everything with longhand up."
        )
        expect(visit.page.locator(".head .badge")).to_have_text("Needs a look")
        assert visit.page.evaluate(FAULTS) == []
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= 320
        visit.assert_clean()


def test_a_worker_that_is_lost_is_told_with_what_becomes_of_its_articles(
    browser: Browser, sqlite_url: str, redis_url: str, valkey_client: Redis, sqlite_database: Database
) -> None:
    with (
        serve_api(sqlite_url, redis_url) as api,
        Visit.open(browser, f"http://127.0.0.1:{api.port}", width=320) as visit,
    ):
        page = visit.page
        give_sign(valkey_client, sqlite_database, "well")
        give_sign(valkey_client, sqlite_database, "idle and dead", age=12)
        job = submit_job(sqlite_database, NewJob(request={"model": "m", "messages": []}))
        assert claim_now(sqlite_database, job.id, "of before", 15)
        with sqlite_database.write() as connection:  # claimed, so to say, by a process that died at once
            connection.execute(update(jobs).values(lease_until=sqlite_database.now() - timedelta(seconds=1)))
        visit.go("#/system")
        expect(page.locator(".head .badge")).to_have_text("Needs a look")
        expect(page.get_by_role("alert")).to_contain_text("2 workers give no sign of life")
        lost = page.locator(".rows > li", has_text="of before")
        expect(lost.locator(".badge")).to_have_text("Lost")
        expect(lost).to_contain_text(re.compile(r"Last sign \d+ seconds ago"))
        expect(lost).to_contain_text("Another worker is taking over its article.")
        idle = page.locator(".rows > li", has_text="idle and dead")
        expect(idle).to_contain_text("It has no articles any more")
        assert page.evaluate(FAULTS) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        visit.assert_clean()


def test_before_the_first_answer_the_badge_says_that_it_reads_and_then_what_failed(
    visit: Visit, client: Client
) -> None:
    page = visit.page
    visit.network_lost = True
    finish(client, submit(client, [request("one", "Write a 20-word note.")]))
    waiting: list[Route] = []
    answers: list[bool] = []

    def hold(route: Route) -> None:
        route.continue_() if answers else waiting.append(route)

    page.route("**/v1/status", hold)
    visit.go("#/system")
    badge = page.locator(".head .badge")
    expect(badge).to_have_text("Reading …")
    while not waiting:
        page.wait_for_timeout(20)
    waiting[0].abort("connectionrefused")
    expect(badge).to_have_text("Not reached")
    expect(page.get_by_role("alert").filter(has_text="is read again when it is back")).to_be_visible()
    answers.append(True)  # and no `unroute`, which would answer those that wait, too
    for route in waiting[1:]:
        route.continue_()
    expect(badge).to_have_text("All is well")

"""What the page claims is true, also with late answers, lost networks, other tabs and a full memory."""

from urllib.parse import urlsplit

from playwright.sync_api import Browser, Route, expect

from longhand.client.client import Client
from tests.chaos.fault_proxy import FaultProxy
from tests.page.line import Line
from tests.page.visit import Visit
from tests.page.watched import assert_every_card_is_as_stored, finish, held, request, scroll_to_card, submit
from tests.stack.running_up import Up


def test_what_is_read_too_late_does_not_bring_back_an_old_status(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    with held(upstream):
        job = client.submit_job(request("", "Write a 60-word note about late answers.")["body"])
        late: list[Route] = []

        def answer(route: Route) -> None:
            if late or not seen:
                seen.append(route.request.url)
                route.continue_()
            else:
                late.append(route)

        seen: list[str] = []
        visit.page.route(f"**/v1/jobs/{job['id']}", answer)
        visit.go(f"#/jobs/{job['id']}")
        expect(visit.page.locator(".state .badge")).to_have_text("Writing")
        visit.wait_for("() => true")
    expect(visit.page.locator(".state .mark")).to_have_text("✓ saved")
    old = {**client.read(job["id"]), "status": "in_progress", "finished_at": None}
    late[0].fulfill(json=old)
    visit.page.evaluate("() => fetch('/healthz').then((answer) => answer.text())")
    expect(visit.page.locator(".state .badge")).to_have_text("Completed")
    expect(visit.page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_an_old_text_that_is_read_too_late_does_not_take_the_place_of_a_new_one(visit: Visit, client: Client) -> None:
    ill = request("ill", "Write a 90-word note about old texts.", times=1, cut_after=9)
    batch_id = submit(client, [ill], max_attempts=1)
    finish(client, batch_id)
    late: list[Route] = []
    visit.page.route("**/text?partial=true", lambda route: late.append(route) if not late else route.continue_())
    visit.go(f"#/batches/{batch_id}")
    visit.page.get_by_role("button", name="Retry 1 failure").click()
    expect(visit.page.locator(".head .badge")).to_have_text("Completed")
    late[0].fulfill(body="An old text.", content_type="text/plain")
    assert_every_card_is_as_stored(visit, client, batch_id, 1)
    assert visit.page.locator(".card-text").text_content() != "An old text."


def test_a_selection_in_the_plain_text_survives_scrolling_and_what_is_written_after_it(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    job = client.submit_job(request("", "x", text="word " * 3000, deltas_per_second=20)["body"])
    visit.go(f"#/jobs/{job['id']}")
    visit.page.get_by_role("button", name="Plain text").click()
    length = "() => document.querySelector('.raw').textContent.length"
    visit.wait_for(f"() => ({length})() > 30")
    select = """() => {
      const words = document.querySelector(".raw").firstChild;
      getSelection().setBaseAndExtent(words, 5, words, 24);
      return words.length;
    }"""
    before = visit.page.evaluate(select)
    visit.page.mouse.wheel(0, 200)
    visit.wait_for(f"(before) => ({length})() > before + 20", before)
    assert visit.page.evaluate("getSelection().toString()") == "word word word word"
    client.cancel(job["id"])


def test_a_retry_made_elsewhere_is_seen_when_one_comes_back_to_the_tab(visit: Visit, client: Client) -> None:
    ill = request("ill", "Write a 40-word note about two tabs.", times=1, cut_after=5)
    batch_id = submit(client, [ill], max_attempts=1)
    job_id = finish(client, batch_id)
    other = visit.context.new_page()
    for page, place in ((visit.page, f"#/batches/{batch_id}"), (other, f"#/jobs/{job_id}")):
        page.goto(f"{visit.url}/{place}")
        expect(page.locator(".card .badge, .state .badge")).to_have_text("Failed")
    client.retry(batch_id)
    finish(client, batch_id)
    for page in (visit.page, other):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator(".card .badge, .state .badge")).to_have_text("Completed")
        expect(page.locator(".mark")).to_have_text("✓ saved")
    other.close()


def test_a_retry_made_between_the_end_and_the_last_look_at_it_is_seen(visit: Visit, client: Client) -> None:
    ill = request("ill", "Write a 40-word note about a last look.", times=1, cut_after=5)
    batch_id = submit(client, [ill], max_attempts=1)
    job_id = finish(client, batch_id)
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 3:  # at first, when its stream begins, and at its end
            client.retry(batch_id)
        route.continue_()

    visit.page.route(f"**/v1/jobs/{job_id}", answer)
    visit.go(f"#/jobs/{job_id}")
    expect(visit.page.locator(".state .badge")).to_have_text("Completed")
    expect(visit.page.locator(".state .mark")).to_have_text("✓ saved")


def test_what_could_not_be_read_is_read_when_the_network_is_back(browser: Browser, up: Up, client: Client) -> None:
    batch_id = submit(client, [request("later", "Write a 20-word note.")])
    job_id = finish(client, batch_id)
    with Line.to(urlsplit(up.url).port or 0) as line, Visit.open(browser, f"http://127.0.0.1:{line.port}") as visit:
        visit.network_lost = True
        for place in (f"#/batches/{batch_id}", f"#/jobs/{job_id}"):
            visit.go("#/new")
            visit.heading("New articles")
            line.cut()
            visit.page.evaluate("(hash) => { location.hash = hash; }", place)
            expect(visit.page.get_by_role("alert")).to_contain_text("cannot be reached")
            line.mend()
            expect(visit.page.locator(".mark")).to_have_text("✓ saved")
            expect(visit.page.get_by_role("alert")).to_have_count(0)


def test_a_refusal_stays_to_be_read_while_the_batch_goes_on(visit: Visit, client: Client, upstream: FaultProxy) -> None:
    visit.refused = {503}
    slow = [request(f"slow-{i}", "Write.", deltas_per_second=10, text="word " * 30) for i in range(2)]
    with held(upstream):
        batch_id = submit(client, [request("first", "Write a 20-word note."), *slow])
        visit.go(f"#/batches/{batch_id}")
        refusal = {"error": {"message": "This server is going down.", "code": "shutting_down"}}
        visit.page.route("**/cancel", lambda route: route.fulfill(status=503, json=refusal))
        visit.page.get_by_role("button", name="Cancel", exact=True).click()
        visit.page.get_by_role("button", name="Cancel them").click()
        expect(visit.page.get_by_role("alert")).to_contain_text("Longhand is shutting down. Try again when it is back.")
    expect(visit.page.locator(".head .badge")).to_have_text("Completed")
    expect(visit.page.get_by_role("alert")).to_contain_text("Longhand is shutting down. Try again when it is back.")


def test_texts_out_of_sight_are_forgotten_when_they_are_many_and_read_again(visit: Visit, client: Client) -> None:
    batch_id = submit(client, [request(f"note-{i:02}", f"Write a 20-word note about {i}.") for i in range(60)])
    visit.go("")
    visit.page.evaluate("""async () => {
      const { BatchState } = await import(new URL("batch_state.js", document.querySelector("script[type=module]").src));
      BatchState.mostBytes = 500;
    }""")
    visit.page.evaluate("(hash) => { location.hash = hash; }", f"#/batches/{batch_id}")
    expect(visit.page.locator(".head .badge")).to_have_text("Completed")
    all_marked = "() => [...document.querySelectorAll('.card .mark')].every((mark) => mark.textContent === '✓ saved')"
    for place, name in (("document.body.scrollHeight", "note-59"), ("0", "note-00")):
        scroll_to_card(visit, place, name)
        visit.wait_for(all_marked)
    texts = visit.texts()
    assert 0 < len(texts) < 60
    assert all(client.text(job_id) == text for job_id, text in texts.items() if text)


def test_many_tabs_can_show_one_batch_and_each_goes_on_when_it_is_looked_at(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    turn = """(hidden) => {
      Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with held(upstream):
        batch_id = submit(client, [request("tabs", "Write a 60-word note about tabs.")])
        pages = [visit.page, *(visit.context.new_page() for _ in range(6))]
        for page in pages:  # a browser has six connections
            page.goto(f"{visit.url}/#/batches/{batch_id}")
            expect(page.locator(".card .badge")).to_have_text("Writing")
            page.evaluate(turn, True)
    finish(client, batch_id)
    for page in (pages[0], pages[3]):
        page.evaluate(turn, False)
        expect(page.locator(".card .mark")).to_have_text("✓ saved")
    assert_every_card_is_as_stored(visit, client, batch_id, 1)

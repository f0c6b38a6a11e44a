"""An article has a name that one recognises, a place in its batch, and neighbours that a key leads to."""

from playwright.sync_api import expect

from longhand.client.client import Client
from tests.chaos.fault_proxy import FaultProxy
from tests.page.faults import FAINT, FAULTS
from tests.page.visit import Visit
from tests.page.watched import finish, held, request, submit

HEADED = "# The Tea of Assam\n\nIt grows by the river.\n"


def test_an_article_is_called_by_its_id_its_heading_or_its_prompt_and_its_batch_by_its_title(
    visit: Visit, client: Client
) -> None:
    unnamed = [request("", "Write about tea.", text=HEADED), request("", "Write about ink, briefly.", text="Ink.")]
    requests = [request("given", "Write about rain.", text="Rain.")] + [{"body": one["body"]} for one in unnamed]
    batch_id = submit(client, requests)
    finish(client, batch_id)
    page = visit.page
    visit.go(f"#/batches/{batch_id}")
    names = page.locator(".card h3")
    expect(names).to_have_text(["given", "The Tea of Assam", "Write about ink, briefly."])
    # The prompt is said once.
    expect(page.locator(".card-prompt")).to_have_text(["Write about rain.", "Write about tea.", ""])
    page.get_by_label("Sort the cards").select_option("name")
    expect(names).to_have_text(["given", "The Tea of Assam", "Write about ink, briefly."])
    page.get_by_label("Sort the cards").select_option("longest")
    expect(names.first).to_have_text("The Tea of Assam")
    assert page.evaluate(FAULTS) == []
    names.first.get_by_role("link").click()
    visit.heading("The Tea of Assam")
    expect(page.locator(".crumbs")).to_contain_text("On the page")
    expect(page.locator(".details")).to_contain_text("Write about tea.")
    expect(page.locator(".live")).to_contain_text("9 words")
    assert page.evaluate(FAULTS) == []
    assert page.evaluate(FAINT) == []
    # A search calls each by the same name.
    visit.go("#/search")
    for name in ("given", "The Tea of Assam", "Write about ink, briefly."):
        expect(page.get_by_role("list", name="Articles").get_by_role("link", name=name, exact=True)).to_be_visible()


def test_a_failed_article_without_a_text_says_why_it_failed_and_offers_no_text(visit: Visit, client: Client) -> None:
    body = request("", "Write about ink.")["body"] | {"simulate": {"status": 400, "times": 1}}
    job = client.submit_job(body)
    list(client.watch(job["id"]))
    page = visit.page
    visit.go(f"#/jobs/{job['id']}")
    expect(page.get_by_role("heading", name="Why it failed")).to_be_visible()
    offers = [page.get_by_role("button", name=name) for name in ("Copy", "Plain text")]
    offers.append(page.get_by_role("link", name="Download"))
    for offer in offers:
        expect(offer).to_be_hidden()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".state .badge")).to_have_text("Completed")
    for offer in offers:
        expect(offer).to_be_visible()


def test_keys_go_from_article_to_article_and_a_list_names_them(visit: Visit, client: Client) -> None:
    batch_id = submit(client, [request(f"tea-{i}", "Write a 20-word note.") for i in range(3)])
    finish(client, batch_id)
    page = visit.page
    visit.go(f"#/batches/{batch_id}")
    expect(page.locator(".card")).to_have_count(3)
    for key, name in (("j", "tea-0"), ("j", "tea-1"), ("k", "tea-0")):
        page.keyboard.press(key)
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    visit.heading("tea-0")
    for key, name in (("j", "tea-1"), ("j", "tea-2"), ("k", "tea-1")):
        page.keyboard.press(key)
        visit.heading(name)
        expect(page.locator(".state .badge")).to_have_text("Completed")
    page.get_by_role("button", name="Next →").click()
    visit.heading("tea-2")
    expect(page.locator(".state .badge")).to_have_text("Completed")
    page.keyboard.press("j")
    expect(page.locator("#said")).to_have_text("This is the last article of its batch.")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Previous article")
    page.keyboard.press("j")  # under a dialog nothing moves
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    visit.heading("tea-2")
    page.goto(f"{visit.url}/#/new")
    page.get_by_label("Prompt", exact=True).press_sequentially("just jot it down?")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("just jot it down?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_text_that_grows_says_its_length_its_pace_and_its_time(
    visit: Visit, client: Client, upstream: FaultProxy
) -> None:
    with held(upstream):
        batch_id = submit(client, [{"body": request("", "x", text="茶叶好喝。" * 900, deltas_per_second=20)["body"]}])
        job = next(iter(client.jobs(batch_id=batch_id)))
        visit.go(f"#/jobs/{job['id']}")
    live = visit.page.locator(".live")
    expect(live).to_contain_text("字")
    expect(live).to_contain_text("tokens/s")
    caret = """() => [".article > p:last-child", ".article"].map(
      (one) => getComputedStyle(document.querySelector(one), "::after").content)"""
    assert visit.page.evaluate(caret) == ['""', "none"], "the caret is not at the end of the last paragraph"
    client.cancel(batch_id)

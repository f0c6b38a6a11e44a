"""What can be submitted with the form of the page: a prompt or a list, with settings, once, and by keyboard alone."""

import pytest
from playwright.sync_api import expect

from longhand.client.client import Client
from tests.page.form import MODEL, give_file, jobs_of_shown_batch, posts
from tests.page.visit import Visit

pytestmark = pytest.mark.usefixtures("at_the_form")


def client_batches(client: Client) -> list[str]:
    """The batches of all jobs there are."""
    return sorted({job["batch_id"] for job in client.jobs(limit=10_000) if job["batch_id"]})


def test_the_settings_of_the_form_are_those_of_the_request(visit: Visit, client: Client) -> None:
    page = visit.page
    page.get_by_label("A list").check()
    page.get_by_label("Prompts").fill("Write 10 words.\nWrite 11 words.")
    page.get_by_label("Model").click()
    visit.wait_for("() => [...document.querySelectorAll('#models option')].some((one) => one.value === 'simulator')")
    page.get_by_label("Model").fill(MODEL)
    page.get_by_text("Settings for every prompt").click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("7")
    page.get_by_label("Longest text in tokens").fill("90")
    page.get_by_label("ask for the rest").check()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("alert")).to_contain_text("The temperature must be a number from 0 to 2.")
    expect(page.get_by_label("Temperature")).to_be_focused()
    assert posts(visit) == []
    page.get_by_label("Temperature").fill("0.3")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url("**/#/batches/*")
    jobs = client.jobs(batch_id=page.url.rpartition("/")[2], limit=10)
    read = [client.read(job["id"]) for job in jobs]
    assert [job["on_length"] for job in read] == ["continue"] * 2
    for one in (job["request"] for job in read):
        assert (one["temperature"], one["max_tokens"]) == (0.3, 90)
        assert one["messages"][0] == {"role": "system", "content": "Be brief."}


def test_the_settings_of_the_form_hold_for_the_rows_of_a_table_which_stay_with_their_articles(
    visit: Visit, client: Client
) -> None:
    page = visit.page
    page.get_by_label("A file").check()
    give_file(visit, "in.csv", b"no,topic\n1,ink\n2,rain\n")
    expect(page.get_by_label("Prompt for each row")).to_have_value("Write an article about {topic}.")
    page.get_by_label("Model").fill(MODEL)
    page.get_by_text("Settings for every prompt").click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.3")
    page.get_by_label("ask for the rest").check()
    page.get_by_role("button", name="Submit 2 articles").click()
    page.wait_for_url("**/#/batches/*")
    first, second = [client.read(one["id"]) for one in client.jobs(batch_id=page.url.rpartition("/")[2])][::-1]
    assert first["request"]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (first["request"]["temperature"], first["on_length"]) == (0.3, "continue")
    assert (first["cells"], second["cells"]) == ({"no": "1", "topic": "ink"}, {"no": "2", "topic": "rain"})
    page.goto(f"{visit.url}/#/jobs/{second['id']}")
    page.get_by_text("Row of the table: 2 columns").click()
    expect(page.locator(".details details[open] dl")).to_have_text("no2topicrain")
    page.get_by_text("3 settings").click()
    expect(page.locator(".details pre")).to_contain_text('"on_length": "continue"')


def test_a_prompt_becomes_a_job_that_is_shown_while_it_is_written(visit: Visit, client: Client) -> None:
    visit.page.get_by_label("Prompt", exact=True).fill("Write a 60-word note about rain.")
    visit.page.get_by_label("Model").fill(MODEL)
    visit.page.get_by_role("button", name="Submit").click()
    visit.page.wait_for_url("**/#/jobs/*")
    expect(visit.page.locator(".state .mark")).to_have_text("✓ saved")
    job = client.read(visit.page.url.rpartition("/")[2])
    assert job["request"]["messages"] == [{"role": "user", "content": "Write a 60-word note about rain."}]


def test_a_list_becomes_a_batch_of_its_lines(visit: Visit, client: Client) -> None:
    visit.page.get_by_label("A list").check()
    visit.page.get_by_label("Prompts").fill("Write 20 words about ink.\n\n  写二十个字。  \n")
    visit.page.get_by_label("Model").fill(MODEL)
    visit.page.get_by_label("Title").fill("Two lines")
    visit.page.get_by_role("button", name="Submit 2 articles").click()
    visit.heading("Two lines")
    assert jobs_of_shown_batch(visit, client) == [
        (None, MODEL, "Write 20 words about ink."),
        (None, MODEL, "写二十个字。"),
    ]


def test_without_a_model_the_field_is_pointed_at(visit: Visit) -> None:
    visit.page.get_by_label("Prompt", exact=True).fill("Write.")
    visit.page.get_by_role("button", name="Submit").click()
    expect(visit.page.locator("#faults")).to_contain_text("The model is missing")
    expect(visit.page.get_by_label("Model")).to_be_focused()
    assert posts(visit) == []


def test_lines_without_a_model_are_told_once_and_naming_one_mends_them(visit: Visit) -> None:
    give_file(visit, "a.txt", "".join(f"Write {count} words.\n" for count in range(10, 15)))
    submit, first = (visit.page.get_by_role("button", name=name) for name in ("Submit 5 articles", "Try the first 3"))
    submit.click()
    expect(visit.page.locator("#faults")).to_have_text("Nothing was sent.The model is missing: choose one above.")
    expect(visit.page.get_by_label("Model")).to_be_focused()
    assert posts(visit) == []
    visit.page.keyboard.type("m")
    expect(visit.page.locator("#faults")).to_be_hidden()
    assert submit.is_visible(), "the count is known while one types"
    assert first.is_visible()


def test_sending_again_after_a_lost_answer_submits_once(visit: Visit, client: Client) -> None:
    visit.network_lost = True
    before = len(client_batches(client))
    visit.page.route("**/v1/batches", lambda route: (route.fetch(), route.abort("connectionreset")))
    visit.page.get_by_label("A list").check()
    visit.page.get_by_label("Prompts").fill("Write 10 words.\nWrite 11 words.")
    visit.page.get_by_label("Model").fill(MODEL)
    visit.page.get_by_role("button", name="Submit 2 articles").click()
    expect(visit.page.locator("#faults")).to_contain_text("cannot be reached")
    visit.page.unroute("**/v1/batches")
    visit.page.get_by_role("button", name="Submit 2 articles").click()
    visit.heading("Batch of 2 articles")
    assert len(client_batches(client)) == before + 1


def test_everything_can_be_submitted_by_keyboard_alone(visit: Visit) -> None:
    keys = visit.page.keyboard
    seen: list[str] = []

    def tab_to(element_id: str) -> None:
        for _ in range(25):
            keys.press("Tab")
            seen.append(visit.page.evaluate("document.activeElement.id"))
            if seen[-1] == element_id:
                return
        raise AssertionError(f"{element_id} is not reached: {seen}")

    visit.page.evaluate("document.activeElement.blur()")
    tab_to("prompt")  # the radio buttons are one stop on the way, `One prompt` being chosen
    keys.press("Shift+Tab")
    keys.press("ArrowRight")
    expect(visit.page.get_by_label("Prompts")).to_be_visible()
    tab_to("list")
    keys.type("Write 12 words.")
    keys.press("Enter")
    keys.type("Write 13 words.")
    tab_to("model")
    keys.type(MODEL)
    keys.press("Control+Enter")
    visit.heading("Batch of 2 articles")
    expect(visit.page.locator("h1")).to_be_focused()
    visit.page.locator(".card h3 a").first.wait_for()
    for _ in range(25):
        keys.press("Tab")
        if visit.page.evaluate("document.activeElement.closest('.card') !== null"):
            break
    keys.press("ArrowRight")
    assert visit.page.evaluate("document.activeElement.closest('.card').getAttribute('aria-posinset')") == "2"
    keys.press("Enter")
    visit.heading("Write 13 words.")

"""A trial of the first three, rules for the texts, and what earlier attempts wrote."""

import json
import zipfile
from typing import Any

import pytest
from playwright.sync_api import expect

from longhand.client.client import Client
from tests.page.visit import Visit

PROMPTS = [f"Write {40 + place} words." for place in range(7)]


def fill_in(visit: Visit, way: str) -> None:
    """Give the seven prompts as a list or as a table."""
    visit.go("#/new")
    page = visit.page
    if way == "list":
        page.get_by_label("A list").check()
        page.get_by_label("Prompts").fill("\n".join(PROMPTS))
    else:
        page.get_by_label("A file").check()
        rows = "\n".join(["prompt", *PROMPTS]).encode()
        page.get_by_label("File", exact=True).set_input_files(
            {"name": "seven.csv", "mimeType": "text/csv", "buffer": rows}
        )
    page.get_by_label("Model").fill("m")
    expect(page.get_by_role("button", name="Submit 7 articles")).to_be_visible()


def batch_on(visit: Visit, but: str = "") -> str:
    """The id of the batch that is shown, which is another one than `but`."""
    found = visit.wait_for("(but) => { const id = location.hash.split('/')[2]; return id !== but && id; }", but)
    return str(found)


def jobs_of(client: Client, batch_id: str) -> list[dict[str, Any]]:
    return [client.read(job["id"]) for job in client.jobs(batch_id=batch_id, limit=100)][::-1]


@pytest.mark.parametrize("way", ["list", "file"])
def test_the_first_three_are_tried_and_then_exactly_the_rest(visit: Visit, client: Client, way: str) -> None:
    page = visit.page
    fill_in(visit, way)
    page.get_by_text("What a text must satisfy").click()
    page.get_by_label("Words at least").fill("2")
    page.get_by_label("Must not include").fill("as an AI\nlorem")
    page.get_by_label("Language of the text").select_option("en")
    page.get_by_label("If a text fails these rules").select_option("retry")
    page.get_by_role("button", name="Try the first 3").click()
    expect(page.get_by_text("This is a trial of the first 3.")).to_be_visible()
    first = batch_on(visit)
    page.reload()
    page.get_by_role("button", name="Submit the other 4").dblclick()
    rest = batch_on(visit, first)
    visit.go(f"#/batches/{first}")
    expect(page.get_by_text("The other 4 are submitted.")).to_be_visible()
    expect(page.get_by_role("link", name="Show that batch")).to_have_attribute("href", f"#/batches/{rest}")
    made = [jobs_of(client, first), jobs_of(client, rest)]
    assert [[job["request"]["messages"][-1]["content"] for job in jobs] for jobs in made] == [PROMPTS[:3], PROMPTS[3:]]
    rules = {"min_words": 2, "must_not_include": ["as an AI", "lorem"], "language": "en"}
    assert {(json.dumps(job["accept"]), job["on_reject"]) for jobs in made for job in jobs} == {
        (json.dumps(made[0][0]["accept"]), "retry")
    }
    assert made[0][0]["accept"] == rules


def test_what_is_tried_may_be_changed_and_tried_again(visit: Visit, client: Client) -> None:
    page = visit.page
    fill_in(visit, "list")
    page.get_by_role("button", name="Try the first 3").click()
    first = batch_on(visit)
    page.get_by_role("link", name="Change the prompts").click()
    expect(page.get_by_label("Prompts")).to_have_value("\n".join(PROMPTS))
    page.get_by_label("Prompts").fill("\n".join(f"{prompt} Be brief." for prompt in PROMPTS))
    page.get_by_role("button", name="Try the first 3").click()
    visit.wait_for("(first) => location.hash.startsWith('#/batches/') && !location.hash.endsWith(first)", first)
    second = batch_on(visit, first)
    assert jobs_of(client, second)[0]["request"]["messages"][-1]["content"] == f"{PROMPTS[0]} Be brief."


def test_three_or_fewer_are_not_tried(visit: Visit) -> None:
    fill_in(visit, "list")
    visit.page.get_by_label("Prompts").fill("one\ntwo\nthree")
    expect(visit.page.get_by_role("button", name="Try the first 3")).to_be_hidden()


def test_what_an_earlier_attempt_wrote_is_read_over_the_page(visit: Visit, client: Client) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Write 30 words."}], "on_reject": "repair"}
    # Slow enough that it is read long before the last repair ends the job.
    simulate = {"text": "Too *short*.", "deltas_per_second": 1}
    job = client.submit_job({**body, "accept": {"min_words": 5000}, "max_repairs": 20, "simulate": simulate})
    visit.go(f"#/jobs/{job['id']}")
    page = visit.page
    page.get_by_role("button", name="Read its text").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("em")).to_have_text("short")
    expect(dialog).to_contain_text("Not accepted: ")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_a_batch_is_saved_as_a_zip(visit: Visit, client: Client) -> None:
    batch = client.submit(["Write 20 words.", "Write 21 words."], model="m", metadata={"title": "Tea/雨"})
    for _ in client.watch(batch["id"]):
        pass
    visit.go(f"#/batches/{batch['id']}")
    with visit.page.expect_download() as saving:
        visit.page.get_by_role("link", name="Download as ZIP").click()
    assert saving.value.suggested_filename == f"Tea-雨-{batch['id'][-6:]}.zip"
    with zipfile.ZipFile(saving.value.path()) as archive:
        assert [name[:5] for name in archive.namelist()] == ["0001-", "0002-"]

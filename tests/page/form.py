"""What a visitor does at the form of the page, and what came of it."""

from urllib.parse import urlsplit

from playwright.sync_api import expect

from longhand.client.client import Client
from tests.page.visit import Visit

MODEL = "gpt-4o-mini"


def posts(visit: Visit) -> list[str]:
    """What was sent to make something; to look at a file makes nothing."""
    return [url for url in visit.requested if urlsplit(url).path in ("/v1/jobs", "/v1/batches")]


def give_file(visit: Visit, name: str, content: str | bytes) -> None:
    visit.page.get_by_label("A file").check()
    encoded = content.encode() if isinstance(content, str) else content
    visit.page.get_by_label("File", exact=True).set_input_files(
        {"name": name, "mimeType": "text/plain", "buffer": encoded}
    )
    # What was found moves the buttons, and a click on its way there would miss.
    expect(visit.page.locator("#file-summary")).not_to_contain_text("is being read")


def jobs_of_shown_batch(visit: Visit, client: Client) -> list[tuple[str | None, str, str]]:
    """Custom id, model and prompt of each job of the batch that the page went to, in input order."""
    visit.page.wait_for_url("**/#/batches/*")
    batch_id = visit.page.url.rpartition("/")[2]
    jobs = [client.read(job["id"]) for job in client.jobs(batch_id=batch_id, limit=100)][::-1]
    return [(job["custom_id"], job["model"], job["request"]["messages"][0]["content"]) for job in jobs]

"""What has ended is deleted on the page, after a question."""

import pytest
from playwright.sync_api import expect

from longhand.client.client import Client
from longhand.client.errors import NotFoundError
from tests.page.visit import Visit
from tests.page.watched import request, submit


def test_an_ended_article_and_its_batch_are_deleted_after_a_question(visit: Visit, client: Client) -> None:
    batch_id = submit(client, [request(f"kept-{i}", "Write a 20-word note.") for i in range(2)])
    visit.go(f"#/batches/{batch_id}")
    expect(visit.page.locator(".head .badge")).to_have_text("Completed")
    job_id = next(iter(client.jobs(batch_id=batch_id)))["id"]
    visit.go(f"#/jobs/{job_id}")
    delete = visit.page.get_by_role("button", name="Delete", exact=True)
    delete.click()
    visit.page.get_by_role("button", name="Keep", exact=True).click()
    assert client.read(job_id)["status"] == "completed"
    delete.click()
    visit.page.get_by_role("button", name="Delete for good").click()
    visit.page.wait_for_url(f"**/#/batches/{batch_id}")
    expect(visit.page.locator(".card")).to_have_count(1)  # the other one is left
    delete.click()
    visit.page.get_by_role("button", name="Delete for good").click()
    visit.page.wait_for_url("**/#/")
    for gone in (job_id, batch_id):
        with pytest.raises(NotFoundError):
            client.read(gone)


def test_what_has_not_ended_offers_no_deletion(visit: Visit, client: Client) -> None:
    slow = request("slow", "Write.", deltas_per_second=2, text="word " * 200)
    job = client.submit_job(slow["body"])
    visit.go(f"#/jobs/{job['id']}")
    expect(visit.page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    expect(visit.page.get_by_role("button", name="Delete", exact=True)).to_be_hidden()
    client.cancel(job["id"])
    expect(visit.page.get_by_role("button", name="Delete", exact=True)).to_be_visible()

"""What the page does when events reach it damaged: it says so, reads the rows, and shows what the API says."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from longhand.client.client import Client
from tests.chaos.fault_proxy import FaultProxy
from tests.page.visit import Visit
from tests.page.watched import assert_every_card_is_as_stored, held, request, submit
from tests.stack.running_up import Up

# As a chunk with NaN did it, or a proxy that cuts: every event of the kinds that tell of an end is no JSON.
DAMAGED = """
const KINDS = ["jobs", "done", "status"];
const add = EventSource.prototype.addEventListener;
EventSource.prototype.addEventListener = function (name, handler, ...more) {
  return add.call(this, name, (event) => {
    const ends = KINDS.includes(name) && /"status":"completed"/.test(event.data);
    handler(ends ? new MessageEvent(name, { data: event.data.slice(0, -9), lastEventId: event.lastEventId }) : event);
  }, ...more);
};
"""
SAID = "A message of the server was damaged on its way"


# One event is damaged, and the answer of the look that follows comes only when the end was told.
LATE = """
const add = EventSource.prototype.addEventListener;
let isDamaged = false, isOver = false, isHeld = false;
EventSource.prototype.addEventListener = function (name, handler, ...more) {
  return add.call(this, name, (event) => {
    const now = !isDamaged && name === "jobs" && /"status":"completed"/.test(event.data);
    isDamaged ||= now;
    handler(now ? new MessageEvent(name, { data: event.data.slice(0, -9), lastEventId: event.lastEventId }) : event);
    isOver ||= name === "done";
  }, ...more);
};
const own = window.fetch;
window.fetch = async (...asked) => {
  const response = await own(...asked);
  if (isDamaged && !isHeld && /batches.[^/?]+$/.test(response.url)) {
    isHeld = true;
    window.heldStatus = (await response.clone().json()).status;
    while (!isOver) await new Promise((go) => setTimeout(go, 20));
  }
  return response;
};
"""


@pytest.fixture
def damaged(browser: Browser, up: Up) -> Iterator[Visit]:
    """A window of its own: a script that runs first cannot be taken away again."""
    with Visit.open(browser, up.url) as visit:
        visit.page.add_init_script(DAMAGED)
        yield visit
        visit.assert_clean()


def test_a_batch_whose_ends_cannot_be_read_shows_them_all_the_same(
    damaged: Visit, client: Client, upstream: FaultProxy
) -> None:
    with held(upstream):
        batch_id = submit(client, [request(f"tea-{i}", f"Write 20 words about tea {i}.") for i in range(4)])
        damaged.go(f"#/batches/{batch_id}")
        expect(damaged.page.locator(".card")).to_have_count(4)
    expect(damaged.page.locator(".card[data-status=completed]")).to_have_count(4)
    expect(damaged.page.get_by_text(SAID)).to_be_visible()
    assert_every_card_is_as_stored(damaged, client, batch_id, 4)


def test_a_job_whose_end_cannot_be_read_shows_it_all_the_same(
    damaged: Visit, client: Client, upstream: FaultProxy
) -> None:
    with held(upstream):
        batch_id = submit(client, [request("tea", "Write 20 words about tea.")])
        [job] = client.jobs(batch_id=batch_id)
        damaged.go(f"#/jobs/{job['id']}")
        expect(damaged.page.locator(".head .badge")).to_be_visible()
    expect(damaged.page.locator(".head .badge")).to_have_text("Completed")
    expect(damaged.page.locator(".head .mark")).to_have_text("✓ saved")
    expect(damaged.page.get_by_text(SAID)).to_be_visible()


def test_an_older_answer_does_not_take_the_end_away_that_was_told_meanwhile(
    browser: Browser, up: Up, client: Client
) -> None:
    """The page said "Finishing" until it was loaded again."""
    requests = [request("one", "Write 20 words."), request("two", "Write.", deltas=["tea "] * 20, deltas_per_second=4)]
    with Visit.open(browser, up.url) as visit:
        visit.page.add_init_script(LATE)
        batch_id = submit(client, requests)
        visit.go(f"#/batches/{batch_id}")
        expect(visit.page.locator(".card[data-status=completed]")).to_have_count(2)
        assert visit.page.evaluate("window.heldStatus") == "in_progress"  # the fault fired
        expect(visit.page.locator(".head .badge").first).to_have_text("Completed")
        visit.assert_clean()

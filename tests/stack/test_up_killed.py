"""`longhand up` whose processes are killed or ended: they come back, and watchers end with the stored text."""

import os
import signal
from hashlib import sha256
from urllib.parse import urlsplit

import pytest

from longhand.client.client import Client
from tests.conftest import free_port
from tests.stack.running_up import (
    PATIENCE_SECONDS,
    Watch,
    connections_of,
    has_ended,
    running_up,
    submit,
    watched_pids,
)

pytestmark = pytest.mark.races


def assert_stored_as_watched(url: str, job_id: str, watch: Watch) -> None:
    done = watch.end()
    with Client(url) as client:
        job, text = client.read(job_id), client.text(job_id)
    assert job["status"] == "completed"
    assert text
    assert watch.text == text
    assert done.sha256 == job["sha256"] == sha256(text.encode()).hexdigest()


@pytest.mark.chaos
def test_a_killed_worker_is_started_again_and_its_watcher_ends_with_the_stored_text(environ: dict[str, str]) -> None:
    with running_up(environ, "--port", "0") as up:
        job_id = submit(up.url)
        watch = Watch(up.url, job_id)
        assert watch.has_begun.wait(PATIENCE_SECONDS)
        os.kill(up.children()["worker"], signal.SIGKILL)
        up.wait_for(r"worker-1 died \(signal SIGKILL\); starting it again in 0.5 s")
        up.wait_for(r"worker-1 runs again \(process \d+\)")
        assert_stored_as_watched(up.url, job_id, watch)
        with Client(up.url) as client:
            assert [attempt["outcome"] for attempt in client.read(job_id)["attempts"]] == ["lost", "completed"]
        assert watch.resets == 1
        assert up.end() == 0


@pytest.mark.chaos
def test_the_jobs_of_a_killed_worker_go_on_before_their_leases_have_run_out(environ: dict[str, str]) -> None:
    """The leases last for longer than this test: the supervisor has seen the end of the process."""
    patient = {**environ, "LONGHAND_LEASE_SECONDS": "600"}
    with running_up(patient, "--port", "0", "--workers", "2") as up:
        job_id = submit(up.url, "Write a 500-word essay about bees.")
        watch = Watch(up.url, job_id)
        assert watch.has_begun.wait(PATIENCE_SECONDS)
        with Client(up.url) as client:
            worker = client.read(job_id)["attempts"][0]["worker"]
        os.kill(int(worker.split(":")[1]), signal.SIGKILL)
        up.wait_for(r"worker-\d died \(signal SIGKILL\)")
        assert_stored_as_watched(up.url, job_id, watch)
        with Client(up.url) as client:
            attempts = client.read(job_id)["attempts"]
            shown = [one["name"] for one in client.status()["workers"]]
        assert [attempt["outcome"] for attempt in attempts] == ["lost", "completed"]
        assert worker not in shown
        print(f"lost for {attempts[1]['started_at'] - attempts[0]['finished_at']:.2f} s after its rescue")
        assert up.end() == 0


@pytest.mark.chaos
def test_two_apis_share_a_port_and_the_watchers_of_one_that_dies_end_with_the_stored_text(
    environ: dict[str, str],
) -> None:
    with running_up(environ, "--port", "0", "--api-workers", "2") as up:
        url, apis = up.url, up.apis()
        port = urlsplit(url).port or 0
        assert len(apis) == 2
        watches: dict[str, Watch] = {}
        while not all(connections_of(pid, port) for pid in apis):
            assert len(watches) < 40, "one of them gets no connection"
            job_id = submit(url, f"Write a 500-word essay about bees, number {len(watches)}.")
            watches[job_id] = Watch(url, job_id)
            assert watches[job_id].has_begun.wait(PATIENCE_SECONDS)
        os.kill(apis[0], signal.SIGKILL)
        up.wait_for(r"api-\d died \(signal SIGKILL\); starting it again")
        up.wait_for(r"api-\d runs again")
        for job_id, watch in watches.items():
            assert_stored_as_watched(url, job_id, watch)
        assert sum(watch.lost_connections for watch in watches.values()) > 0
        assert up.end() == 0


@pytest.mark.chaos
def test_a_killed_valkey_comes_back_and_no_text_is_lost(environ: dict[str, str]) -> None:
    with running_up(environ, "--port", "0") as up:
        job_id = submit(up.url)
        watch = Watch(up.url, job_id)
        assert watch.has_begun.wait(PATIENCE_SECONDS)
        os.kill(up.children()["valkey"], signal.SIGKILL)
        up.wait_for(r"valkey died \(signal SIGKILL\)")
        up.wait_for(r"valkey runs again")
        assert_stored_as_watched(up.url, job_id, watch)
        assert up.end() == 0


@pytest.mark.chaos
def test_a_watcher_lives_through_ctrl_c_and_the_next_start(environ: dict[str, str]) -> None:
    port = str(free_port())
    with running_up(environ, "--port", port) as up:
        job_id = submit(up.url)
        watch = Watch(up.url, job_id)
        assert watch.has_begun.wait(PATIENCE_SECONDS)
        with watched_pids(up.children()) as descriptors:
            assert set(descriptors) == {"worker", "api", "valkey"}
            assert up.end(signal.SIGINT) == 0
            assert all(has_ended(descriptor, 0) for descriptor in descriptors.values())
        assert up.wait_for(r"(?s)stopping \.\.\. 1 unfinished article starts again[^\n]*\n(.*)stopped\n")[1] == ""
    with running_up(environ, "--port", port) as again:
        assert_stored_as_watched(again.url, job_id, watch)
        assert watch.lost_connections > 0
        with Client(again.url) as client:
            job = client.read(job_id)
        assert [attempt["outcome"] for attempt in job["attempts"]] == ["released", "completed"]
        assert job["failures"] == 0
        assert again.end(signal.SIGTERM) == 0


@pytest.mark.chaos
def test_no_process_outlives_a_stack_that_is_killed(environ: dict[str, str]) -> None:
    with running_up(environ, "--port", "0", "--workers", "2") as up:
        assert up.url
        with watched_pids(up.children()) as descriptors:
            assert up.end(signal.SIGKILL) == -signal.SIGKILL
            assert all(has_ended(descriptor) for descriptor in descriptors.values())

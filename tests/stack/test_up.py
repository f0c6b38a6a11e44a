"""`longhand up`: the whole stack as real processes, a simulator as its upstream, watched over real SSE."""

import json
import os
import re
import signal
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from longhand.client.client import Client
from longhand.simulator import Pace, ServedSimulator, serve_in_thread
from tests.conftest import free_port
from tests.stack.running_up import (
    PATIENCE_SECONDS,
    Up,
    Watch,
    connections_of,
    environ_of,
    has_ended,
    longhand,
    processes_in,
    running_up,
    watched_pids,
)

pytestmark = pytest.mark.races


@pytest.fixture(scope="module")
def simulator() -> Iterator[ServedSimulator]:
    with serve_in_thread(Pace(deltas_per_second=60, first_delta_seconds=0.05)) as served:
        yield served


def quick(home: Path, upstream_url: str) -> dict[str, str]:
    """A short lease, so that a killed worker's jobs are rescued soon."""
    changes = {"LONGHAND_LEASE_SECONDS": "2", "LONGHAND_HEARTBEAT_SECONDS": "0.5"}
    return environ_of(home, {"LONGHAND_UPSTREAM_URL": upstream_url, **changes})


@pytest.fixture
def environ(tmp_path: Path, simulator: ServedSimulator) -> dict[str, str]:
    return quick(tmp_path / "home", simulator.url)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, simulator: ServedSimulator) -> Iterator[tuple[Up, Path]]:
    """A stack for all tests that do it no harm, and its home; it ends well."""
    home = tmp_path_factory.mktemp("standing") / "home"
    with running_up({**quick(home, simulator.url), "LONGHAND_UPSTREAM_API_KEY": "canary-1"}, "--port", "0") as up:
        assert up.url
        yield up, home
        assert up.end() == 0


@pytest.fixture
def at(standing: tuple[Up, Path], environ: dict[str, str]) -> dict[str, str]:
    """The environment of commands that are sent to that stack."""
    return {**environ, "LONGHAND_URL": standing[0].url}


def submit(url: str, prompt: str = "Write a 150-word note about bees.") -> str:
    with Client(url) as client:
        job = client.submit_job({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]})
    return str(job["id"])


def assert_stored_as_watched(url: str, job_id: str, watch: Watch) -> None:
    done = watch.end()
    with Client(url) as client:
        job, text = client.read(job_id), client.text(job_id)
    assert job["status"] == "completed"
    assert text
    assert watch.text == text
    assert done.sha256 == job["sha256"] == sha256(text.encode()).hexdigest()


def test_a_batch_goes_in_is_watched_and_comes_out_in_input_order(at: dict[str, str], tmp_path: Path) -> None:
    topics = ["bees", "蜂蜜", "tides"]
    lines = [json.dumps({"custom_id": topic, "prompt": f"Write a 30-word note about {topic}"}) for topic in topics]
    submitted = longhand(
        "submit", "-", "--model", "gpt-4o-mini", "--metadata", "a=b", environ=at, stdin="\n".join(lines)
    )
    batch_id = submitted.stdout.strip()
    assert submitted.stdout == f"{batch_id}\n"
    assert "submitted 3 jobs" in submitted.stderr
    watched = longhand("watch", batch_id, environ=at)
    assert watched.returncode == 0
    assert watched.stderr.splitlines()[-1].startswith("completed: 3/3 ended, 3 completed")
    longhand("results", batch_id, "-o", str(tmp_path / "out"), environ=at)
    longhand("results", batch_id, "-o", str(tmp_path / "out"), "--format", "jsonl", environ=at)
    names = [f"000{place}-{topic}.md" for place, topic in enumerate(topics, 1)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [*names, f"{batch_id}.jsonl"]
    items = [json.loads(line) for line in (tmp_path / "out" / f"{batch_id}.jsonl").read_text().splitlines()]
    assert [item["custom_id"] for item in items] == topics
    assert [item["text"] for item in items] == [(tmp_path / "out" / name).read_text() for name in names]
    shown = longhand("watch", items[0]["id"], environ=at)
    assert (shown.returncode, shown.stdout) == (0, items[0]["text"])
    assert batch_id in longhand("show", batch_id, environ=at).stdout
    table = longhand("jobs", "--batch", batch_id, environ=at).stdout
    assert all(item["id"] in table and item["custom_id"] in table for item in items)


def test_commands_in_the_same_folder_find_the_stack_on_any_port(environ: dict[str, str]) -> None:
    def told(name: str) -> str:
        rows = longhand("settings", environ=environ).stdout.splitlines()
        return next(row for row in rows if row.startswith(name + " "))

    with running_up(environ, "--port", "0") as up:
        up.wait_for("open ")
        listed = longhand("jobs", environ=environ)
        assert (listed.returncode, listed.stderr) == (0, "no jobs yet: longhand submit\n")
        assert told("LONGHAND_URL").split()[1:] == [up.url, f"{environ['LONGHAND_HOME']}/url"]
        elsewhere = longhand("--server", f"http://127.0.0.1:{free_port()}", "jobs", environ=environ)
        assert "nothing answers" in elsewhere.stderr
        assert up.end() == 0
    assert told("LONGHAND_URL").split()[1:] == ["http://127.0.0.1:8440", "default"]


def test_a_job_that_failed_makes_watch_fail(at: dict[str, str]) -> None:
    refused = {"messages": [{"role": "user", "content": "x"}], "simulate": {"status": 400}}
    submitted = longhand("submit", "-", "--model", "m", "--watch", environ=at, stdin=json.dumps(refused))
    assert submitted.returncode == 1
    assert re.fullmatch(r"batch_\w+\n", submitted.stdout)
    assert submitted.stderr.splitlines()[-1].startswith("all failed: 1/1 ended, 1 failed")
    job = longhand("submit", "Write a 20-word note.", "--model", "m", "--watch", environ=at)
    assert re.match(r"job_\w+\n", job.stderr)
    assert "job_" not in job.stdout
    assert len(job.stdout.split()) > 5
    wrong = longhand("submit", "-", "--model", "m", environ=at, stdin='{"prompt": "a"}\n{"prompt": "b", "n": 2}')
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("longhand: stdin:2: body.n: ")


def test_a_cancelled_job_ends_and_its_watcher_has_what_was_written(
    standing: tuple[Up, Path], at: dict[str, str]
) -> None:
    up, _ = standing
    job_id = submit(up.url, "Write a 2,000-word essay about bees.")
    watch = Watch(up.url, job_id)
    assert watch.has_begun.wait(PATIENCE_SECONDS)
    said = longhand("cancel", job_id, environ=at)
    assert said.returncode == 0
    assert watch.end().job["status"] == "cancelled"
    with Client(up.url) as client:
        assert client.text(job_id, partial=True) == watch.text


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
        assert up.wait_for(r"(?s)ending \.\.\.[^\n]*\n(.*)ended\n")[1] == ""
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


def test_the_summary_tells_where_everything_is_and_no_secret(standing: tuple[Up, Path], at: dict[str, str]) -> None:
    up, home = standing
    port = up.url.rpartition(":")[2]
    for told in (
        f"http://127.0.0.1:{port}/docs",
        "1 x 100 streams",
        str(home),
        f"{home}/logs",
        at["LONGHAND_UPSTREAM_URL"],
    ):
        assert told in up.output
    password = (home / "valkey" / "password").read_text().strip()
    lines = "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in up.children().values())
    for secret in ("canary-1", password):
        assert secret not in up.output + lines
    for path in [home, *home.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def ended(environ: dict[str, str], *arguments: str) -> tuple[int, str]:
    with running_up(environ, *arguments) as up:
        return up.process.wait(PATIENCE_SECONDS), _said(up)


def _said(up: Up) -> str:
    up.wait_for(r"longhand: .*\n")
    return up.output.rpartition("longhand: ")[2].strip()


def test_a_second_up_in_the_same_home_and_one_on_a_taken_port_are_refused(
    standing: tuple[Up, Path], environ: dict[str, str]
) -> None:
    up, home = standing
    port = up.url.rpartition(":")[2]
    code, said = ended({**environ, "LONGHAND_HOME": str(home)}, "--port", "0")
    assert (code, said.partition(" runs ")[0]) == (1, f"another `longhand up` (process {up.process.pid})")
    code, said = ended(environ, "--port", port)
    taken = f"cannot listen on 127.0.0.1 port {port}: Address already in use (--host, --port)"
    assert (code, said.partition("; try: ")[0]) == (1, taken)


def test_up_without_an_upstream_says_what_to_set(environ: dict[str, str]) -> None:
    del environ["LONGHAND_UPSTREAM_URL"]
    refused = longhand("up", environ=environ)
    assert refused.returncode == 2
    assert refused.stderr.startswith("longhand: LONGHAND_UPSTREAM_URL is not set: give the base URL")
    assert "longhand simulate" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_database_that_cannot_be_used_is_one_clear_line_and_nothing_is_left_behind(environ: dict[str, str]) -> None:
    url = f"postgresql://127.0.0.1:{free_port()}/none"
    code, said = ended({**environ, "LONGHAND_DATABASE_URL": url}, "--port", "0")
    assert code == 1
    assert said.startswith("the database cannot be used: ")
    assert len(said.splitlines()) == 1
    home = Path(environ["LONGHAND_HOME"])
    assert "Ready to accept connections" in (home / "logs" / "valkey.log").read_text()
    assert processes_in(home) == []

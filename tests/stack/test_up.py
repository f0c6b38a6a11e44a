"""`longhand up`: the whole stack as real processes, a simulator as its upstream, and what it says and refuses."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from longhand.client.client import Client
from longhand.simulator import ServedSimulator
from tests.conftest import free_port
from tests.stack.running_up import (
    PATIENCE_SECONDS,
    Up,
    Watch,
    longhand,
    processes_in,
    quick,
    running_up,
    submit,
)

pytestmark = pytest.mark.races


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
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == [*names, f"{batch_id}.jsonl"]
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

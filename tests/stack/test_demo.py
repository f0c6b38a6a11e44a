"""`longhand demo`: exit code 0 only if every text was stored and equals what was watched."""

import json
import re
import signal
import subprocess
import sys
from hashlib import sha256
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from longhand.client.objects import Json
from longhand.demo.prompts import ARTICLES
from longhand.demo.report import Outcome, Watcher, verdict
from tests.stack.running_up import environ_of, longhand, processes_in
from tests.upstream.scripted_upstream import ScriptedUpstream, head


def home_in(output: str) -> Path:
    [home] = re.findall(r"in the temporary home (\S+)\.\n", output)
    return Path(home)


@pytest.mark.races
def test_the_demo_stores_and_watches_every_article_and_asks_no_endpoint_that_is_set_for_other_programs(
    tmp_path: Path,
) -> None:
    with ScriptedUpstream([head(), b"data: [DONE]\n\n"]) as paid:
        others = {"OPENAI_BASE_URL": paid.url, "OPENAI_API_KEY": "canary-1", "LONGHAND_DATABASE_URL": "sqlite:///no.db"}
        ran = longhand("demo", environ=environ_of(tmp_path / "of-the-user", others))
        assert paid.exchanges == []
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "LONGHAND_UPSTREAM_URL is not set, so a simulator at http://127.0.0.1:" in ran.stdout
    assert paid.url not in ran.stdout
    for name in ARTICLES:
        assert re.search(rf"│ {name} +│ completed │ +\d+ │ +\d+ │ +\d+\.\d\d │ +\d+\.\d │ yes ", ran.stdout), ran.stdout
    assert "All 20 texts are stored, and each watched text equals the stored one by SHA-256" in ran.stdout
    home = home_in(ran.stdout)
    assert not home.exists()
    assert processes_in(home) == []
    assert not (tmp_path / "of-the-user").exists()


@pytest.mark.races
def test_the_demo_fails_when_the_upstream_does(tmp_path: Path) -> None:
    content = json.dumps({"error": {"message": "no such model", "code": "model_not_found"}}).encode()
    with ScriptedUpstream([head(404, "application/json", content_length=str(len(content))) + content]) as upstream:
        environ = environ_of(tmp_path, {"LONGHAND_UPSTREAM_URL": upstream.url})
        ran = longhand("demo", "--model", "m-1", environ=environ)
        # And one for the list of its models, at the start.
        asked = [one for one in upstream.exchanges if one.path.endswith("/chat/completions")]
        assert len(asked) == len(ARTICLES)
        assert {one.body["model"] for one in asked} == {"m-1"}
    assert ran.returncode == 1
    assert f"m-1 at {upstream.url} writes the articles" in ran.stdout
    assert "0 of 20 texts are stored" in ran.stdout
    assert "no such model" in ran.stdout
    assert not home_in(ran.stdout).exists()


@pytest.mark.chaos
@pytest.mark.races
def test_ctrl_c_ends_the_demo_and_removes_its_home(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "longhand", "demo"]
    demo = subprocess.Popen(
        command, env=environ_of(tmp_path, {}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert demo.stdout is not None
        output = ""
        while "Watching each of them live" not in output:
            line = demo.stdout.readline()
            assert line, output
            output += line
        home = home_in(output)
        assert processes_in(home) != []
        demo.send_signal(signal.SIGINT)
        _, complaints = demo.communicate(timeout=60)
    finally:
        demo.kill()
        demo.communicate()
    assert (demo.returncode, complaints) == (130, "")
    assert not home.exists()
    assert processes_in(home) == []


@pytest.mark.parametrize(
    ("watched", "stored", "status", "good"),
    [
        ("Bees.", "Bees.", "completed", True),
        ("Bees", "Bees.", "completed", False),
        ("Bees.", "Bees", "completed", False),
        ("Bees.", "Bees.", "failed", False),
        ("", "", "completed", False),
    ],
)
def test_one_article_that_is_not_as_stored_spoils_the_verdict(
    watched: str, stored: str, status: str, good: bool
) -> None:
    def outcome(name: str, watched: str, stored: str, status: str) -> Outcome:
        watcher = Watcher("job_1", name, pieces=list(watched))
        job: Json = {"status": status, "sha256": sha256(stored.encode()).hexdigest(), "error": None, "attempts": []}
        return Outcome(watcher, job, stored)

    outcomes = [outcome(name, "Tides.", "Tides.", "completed") for name in list(ARTICLES)[1:]]
    written = StringIO()
    assert verdict([*outcomes, outcome("bees", watched, stored, status)], 1, Console(file=written)) is good
    assert ("All 20 texts" in written.getvalue()) is good
